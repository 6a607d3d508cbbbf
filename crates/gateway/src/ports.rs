//! The gateway's two ports. Each has its own listener: no admin route is on the customers'.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{admin::AdminPort, customer::CustomerPort, gateway::Gateway, serve::serve};

/// Serves the customer port on `listener`. Once `stop` is cancelled nothing new is accepted, open
/// requests have `drain` to finish, and what is left then is dropped and settled.
pub async fn serve_customer(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    stop: CancellationToken,
    drain: Duration,
) {
    serve(listener, Arc::new(CustomerPort(gateway)), stop, drain).await;
}

/// Serves the admin port on `listener`, as [`serve_customer`] does the customers'.
pub async fn serve_admin(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    stop: CancellationToken,
    drain: Duration,
) {
    serve(listener, Arc::new(AdminPort::new(gateway)), stop, drain).await;
}
