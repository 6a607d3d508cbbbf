//! One schedule: clients, crashes and restarts, then the book against what the clients were told.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    book::SimBook,
    dice::Dice,
    disk::{Lie, SimDisk},
};
use crate::{
    book::{AccountKind, Book, BookError, Entry},
    clock::{Clock, WallMillis},
    disk::Disk,
    estimate::Estimate,
    hold::{Paid, Settlement},
    id::{AccountId, ChannelId, KeyId, RequestId},
    inbox::Wait,
    ledger::{self, Ledger, Parts, Reserve, StartError},
    money::{Currency, Nano},
    price::PriceRef,
    recovery::Policy,
    shared::{LedgerConfig, LedgerState, Refused},
    usage::{Usage, UsageSource},
    writer::Step,
};

/// Clocks that the schedule sets; the time of day steps back and forth by an hour and a year.
#[derive(Debug, Default)]
pub(crate) struct SimClock {
    pub(crate) wall: AtomicI64,
    pub(crate) monotonic_ms: AtomicU64,
}

impl Clock for SimClock {
    fn wall(&self) -> WallMillis {
        WallMillis(self.wall.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
    }
}

/// What a client was told of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nothing yet.
    Asked,
    /// That nothing was set aside.
    Refused,
    /// That it is set aside.
    Held,
    /// It was sent upstream.
    Sent,
    /// Its end is in the queue.
    Settling,
    Voiding,
    /// Its end is durable.
    Settled(Paid),
    Voided,
}

#[derive(Debug, Clone)]
struct Fact {
    amount: Nano,
    input: Nano,
    /// The last cost that was noted while it streamed.
    progress: Nano,
    cost: Nano,
    told: Told,
    /// Whether the client was cut off while the gateway went on.
    cut: bool,
}

type Facts = Arc<Mutex<BTreeMap<RequestId, Fact>>>;

struct Task {
    request: RequestId,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// What a client does with its request.
#[derive(Debug, Clone, Copy)]
struct Plan {
    accounts: [AccountId; 2],
    both: bool,
    estimate: Estimate,
    cost: Nano,
    progress: u64,
    end: u64,
}

/// How a world came out.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    pub(crate) unresolved: usize,
    pub(crate) crashes: usize,
    pub(crate) file_operations: u64,
}

struct World {
    dice: Dice,
    disk: SimDisk,
    book: SimBook,
    clock: Arc<SimClock>,
    facts: Facts,
    accounts: [AccountId; 2],
    limit: AccountId,
    next_request: u128,
    segment_bytes: u64,
    outcome: Outcome,
}

/// Runs the schedule of `seed`; the error says what a client was told and the book does not know.
pub(crate) fn run(seed: u64, policy: Policy) -> Result<Outcome, String> {
    run_on(seed, policy, None)
}

/// The same on a disk that lies about its syncs.
pub(crate) fn run_on(seed: u64, policy: Policy, lie: Option<Lie>) -> Result<Outcome, String> {
    let mut world = World::new(seed);
    world.disk.lie(lie);
    let lives = 1 + world.dice.below(3);
    for _ in 0..lives {
        let faults = [0, 0, 5, 20][world.dice.below(4) as usize];
        world.book.set_faults(faults);
        let operations = 1 + world.dice.below(90);
        world.disk.crash_after(operations);
        world.live(policy)?;
        world.disk.restart();
        world.outcome.crashes += 1;
    }
    world.book.set_faults(0);
    world.last_life(policy)?;
    world.check()?;
    world.outcome.file_operations = world.disk.operations();
    Ok(world.outcome)
}

/// Goes on once the scheduler comes round again.
async fn pause() {
    let mut paused = false;
    std::future::poll_fn(move |_| {
        if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn client(ledger: Ledger, request: RequestId, plan: Plan, facts: Facts) {
    let tell = |told| facts.lock().unwrap().get_mut(&request).unwrap().told = told;
    let accounts = if plan.both { &plan.accounts[..] } else { &plan.accounts[..1] };
    let payer = ledger.payer(accounts).unwrap();
    let (key, price) = (KeyId(1), PriceRef::default());
    let ask = Reserve { request, key, estimate: plan.estimate, price };
    let mut hold = match ledger.reserve(&payer, ask).await {
        Ok(hold) => hold,
        Err(Refused::Stopped) => return,
        Err(_) => return tell(Told::Refused),
    };
    tell(Told::Held);
    pause().await;
    if plan.end == 0 {
        let Ok(durably) = hold.void() else { return };
        tell(Told::Voiding);
        return if durably.await.is_ok() {
            tell(Told::Voided)
        };
    }
    if hold.attempt(ChannelId(7)).is_err() {
        return;
    }
    tell(Told::Sent);
    for step in 1..=plan.progress {
        pause().await;
        let output = plan.cost.get() - plan.estimate.input.get();
        let so_far = plan.estimate.input.get() + output.max(0) * step as i64 / 8;
        facts.lock().unwrap().get_mut(&request).unwrap().progress = Nano::new(so_far);
        hold.progress(step, Nano::new(so_far));
    }
    pause().await;
    let usage = Usage { input: 5, output: plan.progress, ..Usage::default() };
    let settlement = Settlement { cost: plan.cost, usage, source: UsageSource::Reported };
    let Ok(durably) = hold.settle(settlement) else { return };
    tell(Told::Settling);
    if let Ok(paid) = durably.await {
        tell(Told::Settled(paid));
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let book = SimBook::new(dice.next());
        let open = |name: &str, kind, credit: u64| {
            book.ask(|book| {
                let account = book.open_account(name, kind, Currency::USD)?;
                let amount = Nano::new(credit.max(1).cast_signed());
                book.credit(account, amount, name, WallMillis(0))?;
                Ok(account)
            })
        };
        let accounts = [
            open("rich", AccountKind::Organization, 1_000_000 + dice.below(1_000_000)),
            open("poor", AccountKind::Organization, dice.below(5_000)),
        ];
        let limit = open("limit", AccountKind::Limit, dice.below(20_000));
        Self {
            disk: SimDisk::new(dice.next()),
            book,
            clock: Arc::new(SimClock::default()),
            facts: Facts::default(),
            accounts,
            limit,
            next_request: 1,
            segment_bytes: [2_048, 4_096, 32_768][dice.below(3) as usize],
            outcome: Outcome::default(),
            dice,
        }
    }

    fn open(&mut self, policy: Policy) -> Result<Option<Parts<SimDisk>>, String> {
        let mut config = LedgerConfig::new("gateway-0".parse().unwrap());
        config.segment_bytes = self.segment_bytes;
        let book = Box::new(self.book.clone());
        match ledger::open(config, self.disk.clone(), book, self.clock.clone(), policy) {
            Ok(parts) => {
                self.outcome.unresolved += parts.recovery.unresolved.len();
                Ok(Some(parts))
            }
            Err(_) if self.disk.crashed() => Ok(None),
            Err(StartError::Book(BookError::Unavailable(_))) => Ok(None),
            Err(error) => Err(format!("the ledger did not start: {error:?}")),
        }
    }

    /// A life that ends with a crash, at a file operation or between two.
    fn live(&mut self, policy: Policy) -> Result<(), String> {
        let Some(mut parts) = self.open(policy)? else { return Ok(()) };
        let mut tasks = Vec::new();
        for _ in 0..self.dice.below(160) {
            let went = self.act(&mut parts, &mut tasks);
            if self.disk.crashed() {
                break;
            }
            if !went {
                let state = parts.ledger.state();
                return Err(format!("the ledger ended by itself: {state:?}"));
            }
            self.check_memory(&parts, false)?;
        }
        // The clients and what they held die with the process.
        self.disk.crash_after(0);
        drop(tasks);
        Ok(())
    }

    fn last_life(&mut self, policy: Policy) -> Result<(), String> {
        let mut parts = self.open(policy)?.ok_or("the last life did not start")?;
        let mut tasks = Vec::new();
        for _ in 0..60 {
            if !self.act(&mut parts, &mut tasks) {
                return Err(format!("the ledger ended: {:?}", parts.ledger.state()));
            }
        }
        for _ in 0..100 {
            tasks.retain_mut(|task| !poll(task));
            parts.writer.step(Wait::No);
            parts.keeper.step(Wait::No);
        }
        if !tasks.is_empty() {
            return Err(format!("{} clients were never answered", tasks.len()));
        }
        self.check_memory(&parts, true)?;
        parts.ledger.begin_closing(Duration::from_secs(60));
        for _ in 0..50 {
            let ended = parts.keeper.step(Wait::No) == Step::Ended;
            parts.writer.step(Wait::No);
            if ended {
                break;
            }
        }
        match parts.ledger.state() {
            LedgerState::Closed => Ok(()),
            other => Err(format!("the ledger did not close: {other:?}")),
        }
    }

    /// One step of somebody; false when a thread ended.
    fn act(&mut self, parts: &mut Parts<SimDisk>, tasks: &mut Vec<Task>) -> bool {
        match self.dice.below(20) {
            0..4 if tasks.len() < 8 => tasks.push(self.spawn(&parts.ledger)),
            4..11 if !tasks.is_empty() => {
                let chosen = self.dice.below(tasks.len() as u64) as usize;
                if poll(&mut tasks[chosen]) {
                    tasks.swap_remove(chosen);
                }
            }
            11 if !tasks.is_empty() && self.dice.chance(30) => {
                let chosen = self.dice.below(tasks.len() as u64) as usize;
                let task = tasks.swap_remove(chosen);
                self.facts.lock().unwrap().get_mut(&task.request).unwrap().cut = true;
            }
            12..16 => return parts.writer.step(Wait::No) == Step::Went,
            16..19 => return parts.keeper.step(Wait::No) == Step::Went,
            _ => self.turn_clocks(),
        }
        true
    }

    fn turn_clocks(&mut self) {
        let ms = self.dice.below(2_500);
        self.clock.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
        let jump = [0, -3_600_000, 31_536_000_000][self.dice.below(3) as usize];
        self.clock.wall.fetch_add(ms.cast_signed() + jump, Ordering::Relaxed);
    }

    fn spawn(&mut self, ledger: &Ledger) -> Task {
        let dice = &mut self.dice;
        let request = RequestId(self.next_request);
        self.next_request += 1;
        let amount = 100 + dice.below(2_000);
        let input = amount / (2 + dice.below(8));
        // Mostly within the reserve, sometimes beyond it.
        let cost = input + dice.below(amount - input) + if dice.chance(10) { amount } else { 0 };
        let nano = |n: u64| Nano::new(n.cast_signed());
        let payer = self.accounts[usize::from(dice.chance(30))];
        let plan = Plan {
            accounts: [payer, self.limit],
            both: dice.chance(30),
            estimate: Estimate { amount: nano(amount), input: nano(input), input_tokens: 9 },
            cost: nano(cost),
            progress: dice.below(5),
            end: dice.below(6),
        };
        let fact = Fact {
            amount: nano(amount),
            input: nano(input),
            progress: Nano::ZERO,
            cost: nano(cost),
            told: Told::Asked,
            cut: false,
        };
        self.facts.lock().unwrap().insert(request, fact);
        self.outcome.requests += 1;
        let future = client(ledger.clone(), request, plan, self.facts.clone());
        Task { request, future: Box::pin(future) }
    }

    /// What the purses, the log and the book each say an account has; `settled` when nobody is
    /// between two of them.
    fn check_memory(&self, parts: &Parts<SimDisk>, quiet: bool) -> Result<(), String> {
        for account in [self.accounts[0], self.accounts[1], self.limit] {
            let (mut held, mut reserved) = (Nano::ZERO, Nano::ZERO);
            let leases = parts.writer.fold().leases();
            for (_, state) in leases.filter(|(_, state)| state.account == account) {
                held = held.plus(state.held).unwrap();
                reserved = reserved.plus(state.reserved).unwrap();
            }
            let left = parts.ledger.payer(&[account]).unwrap().purses[0].left();
            if left.is_negative() {
                return Err(format!("account {account} has a purse of {left}"));
            }
            if !quiet {
                continue;
            }
            let statement = self.book.ask(|book| book.statement(account));
            if left.plus(reserved) != Ok(held) || statement.leased != held {
                let leased = statement.leased;
                return Err(format!(
                    "account {account}: purse {left} + reserved {reserved}, log {held}, book {leased}"
                ));
            }
        }
        Ok(())
    }

    /// The book against what the clients were told.
    fn check(&mut self) -> Result<(), String> {
        let audit = self.book.ask(Book::audit);
        if !audit.findings.is_empty() {
            return Err(format!("the audit found {:?}", audit.findings));
        }
        let mut entries = BTreeMap::new();
        for account in self.accounts {
            let statement = self.book.ask(|book| book.statement(account));
            let paid = statement.available.plus(statement.settled);
            if statement.leased != Nano::ZERO || paid != Ok(statement.credited) {
                return Err(format!("account {account} ends with {statement:?}"));
            }
            for entry in self.book.ask(|book| book.entries(account, 0, u32::MAX)) {
                entries.insert(entry.request, entry);
            }
        }
        for (request, fact) in self.facts.lock().unwrap().iter() {
            let entry = entries.remove(request);
            if !fact.agrees(entry.as_ref()) {
                return Err(format!("request {}: {fact:?} but {entry:?}", request.0));
            }
        }
        if entries.is_empty() { Ok(()) } else { Err(format!("nobody asked for {entries:?}")) }
    }
}

impl Fact {
    fn agrees(&self, entry: Option<&Entry>) -> bool {
        let Some(entry) = entry else {
            let free = matches!(self.told, Told::Asked | Told::Refused | Told::Voiding)
                || self.told == Told::Voided
                || (self.told == Told::Held && self.cut);
            return free;
        };
        // Progress is not waited for, so what a crash left is between nothing of it and all.
        let least = self.input.min(self.amount);
        let most = self.input.max(self.progress).min(self.amount);
        let unresolved =
            entry.source == UsageSource::Unresolved && (least..=most).contains(&entry.amount);
        let charged = entry.amount.plus(entry.loss);
        match self.told {
            Told::Refused | Told::Voided => false,
            Told::Asked | Told::Held | Told::Voiding => unresolved,
            Told::Sent => {
                let estimated = entry.source == UsageSource::Estimated
                    && charged == Ok(self.input.max(self.progress));
                unresolved || (self.cut && estimated)
            }
            Told::Settling => {
                unresolved || (entry.source == UsageSource::Reported && charged == Ok(self.cost))
            }
            Told::Settled(paid) => {
                entry.source == UsageSource::Reported
                    && (paid.amount, paid.loss) == (entry.amount, entry.loss)
                    && charged == Ok(self.cost)
            }
        }
    }
}

fn poll(task: &mut Task) -> bool {
    task.future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Schedules unless `CATALYST_LEDGER_SCHEDULES` says otherwise.
    const SCHEDULES: u64 = 3_000;

    fn schedules() -> u64 {
        let given = std::env::var_os("CATALYST_LEDGER_SCHEDULES");
        given.and_then(|text| text.to_str()?.parse().ok()).unwrap_or(SCHEDULES)
    }

    #[test]
    fn no_crash_loses_or_doubles_a_charge() {
        let mut sum = Outcome::default();
        for seed in 0..schedules() {
            match run(seed, Policy::default()) {
                Ok(outcome) => {
                    sum.requests += outcome.requests;
                    sum.unresolved += outcome.unresolved;
                    sum.crashes += outcome.crashes;
                    sum.file_operations += outcome.file_operations;
                }
                Err(broken) => panic!("seed {seed}: {broken}"),
            }
        }
        println!("{} schedules: {sum:?}", schedules());
        assert!(sum.unresolved > 0 && sum.crashes > 0, "the schedules show nothing: {sum:?}");
    }

    #[test]
    fn a_recovery_that_releases_everything_is_found() {
        let found = (0..200).find_map(|seed| run(seed, Policy::ReleaseAll).err());
        assert!(found.is_some_and(|broken| broken.contains("request")));
    }

    #[test]
    fn a_recovery_that_charges_every_reserve_is_found() {
        let found = (0..200).find_map(|seed| run(seed, Policy::ChargeAll).err());
        assert!(found.is_some_and(|broken| broken.contains("request")));
    }

    #[test]
    fn a_sync_that_is_missing_is_found() {
        for lie in [Lie::Data, Lie::Names] {
            let found = (0..300).find_map(|seed| run_on(seed, Policy::default(), Some(lie)).err());
            assert!(found.is_some(), "{lie:?}");
        }
    }

    #[test]
    fn a_schedule_is_the_same_every_time() {
        let outcomes: Vec<_> =
            (0..2).map(|_| format!("{:?}", run(11, Policy::default()))).collect();
        assert_eq!(outcomes[0], outcomes[1]);
    }

    #[test]
    fn a_disk_that_is_down_lists_nothing() {
        let disk = SimDisk::new(1);
        disk.crash_after(0);
        assert!(disk.list().is_err() && disk.crashed());
    }
}
