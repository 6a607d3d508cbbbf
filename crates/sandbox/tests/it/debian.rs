//! The locked Debian packages on this machine, for real.

use catalyst_sandbox::debian::Debian;
use catalyst_sandbox::process::Invocation;

use crate::support::{cache, checkout};

#[tokio::test]
async fn unpacked_programs_run_with_the_environment_of_the_tree() {
    let debian = Debian::from_checkout(&cache(), checkout()).unwrap();
    let Ok(tree) = debian.tree() else {
        return crate::support::skip("the Debian packages are not in the cache");
    };
    let cases: &[(&str, &[&str], &str)] = &[
        ("nft", &["--version"], "nftables v1."),
        ("iptables", &["--version"], "nf_tables"),
        ("ip6tables-save", &["--version"], "nf_tables"),
        ("conntrack", &["--version"], "conntrack v1."),
        ("ipset", &["--version"], "ipset v7."),
        ("containerd", &["--version"], "containerd"),
        ("ctr", &["--version"], "ctr"),
        ("runc", &["--version"], "runc version"),
        ("socat", &["-V"], "socat version"),
        ("ethtool", &["--version"], "ethtool version"),
    ];
    for (program, args, expected) in cases {
        let mut command = Invocation::new(tree.bin(program).unwrap()).args(*args);
        for (name, value) in tree.env() {
            command = command.env(name, value);
        }
        let said = command.run().await.unwrap_or_else(|failure| panic!("{failure}")).text();
        assert!(said.contains(expected), "{program}: {said}");
    }
    assert!(tree.cni_bin_dir().join("bridge").is_file());
    assert!(tree.cni_bin_dir().join("portmap").is_file());
    assert!(tree.cni_bin_dir().join("host-local").is_file());
}
