//! The domain name system as a registry, against a real server of it.

use std::{
    fs,
    net::UdpSocket,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use micro::{
    Code,
    registry::{Dns, Node, Registry, Update},
    settings::Url,
};

use crate::skip;

use super::{
    backend,
    losses::{comes_within, stale},
    next, next_set, process, until,
};

/// What every server here has besides: a service with two nodes, one with a port known otherwise, one of Kubernetes.
const ZONE: [&str; 14] = [
    "auth-server=micro.test,127.0.0.1",
    "auth-zone=micro.test",
    "auth-soa=1,hostmaster.micro.test,1200,120,604800",
    "auth-ttl=1",
    "local-ttl=1",
    "srv-host=_greeter._tcp.micro.test,one.micro.test,4001,10,60",
    "srv-host=_greeter._tcp.micro.test,two.micro.test,4002,10,40",
    "srv-host=_greeter._tcp.micro.test,spare.micro.test,4003,20,40",
    "srv-host=users.micro.test,one.micro.test,5001",
    "srv-host=_grpc._tcp.mixed.prod.micro.test,one.micro.test,6001",
    "host-record=one.micro.test,10.1.0.1",
    "host-record=two.micro.test,10.1.0.2,fd00::2",
    "host-record=spare.micro.test,10.1.0.3",
    "host-record=six.micro.test,fd00::6",
];

/// A server of the zone `micro.test` of its own, killed when dropped.
struct Server {
    port: u16,
    folder: PathBuf,
    process: Option<Child>,
}

impl Server {
    /// `None`, told on stderr, where there is no dnsmasq.
    fn start(more: &[&str]) -> Option<Self> {
        let there = Command::new("dnsmasq").arg("--version").output().is_ok();
        if !there {
            let told = "`apt-get install dnsmasq-base` installs it";
            assert!(!skip::must_be_complete(), "no dnsmasq: {told}");
            skip::skip("dnsmasq", told);
            return None;
        }
        let (folder, port) = process::place();
        let mut server = Server {
            port,
            folder,
            process: None,
        };
        server.begin(more);
        Some(server)
    }

    /// Begins, or begins again with other records, and waits until it answers.
    #[allow(
        clippy::disallowed_methods,
        reason = "nothing else is to be done meanwhile"
    )]
    fn begin(&mut self, more: &[&str]) {
        self.stop();
        let config = self.folder.join("dnsmasq.conf");
        let lines = [&ZONE[..], more].concat().join("\n");
        fs::write(&config, lines + "\n").unwrap();
        let process = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                "--bind-interfaces",
            ])
            .args(["--listen-address=127.0.0.1", "--user=root", "--pid-file="])
            .arg(format!("--port={}", self.port))
            .arg(format!("--conf-file={}", config.display()))
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        self.process = Some(process);
        // Any answer will do: that of a question for the root's servers.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", self.port)).unwrap();
        let patience = Duration::from_millis(50);
        socket.set_read_timeout(Some(patience)).unwrap();
        let question = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
        for _ in 0..200 {
            let _ = socket.send(question);
            match socket.recv(&mut [0; 512]) {
                Ok(_) => return,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    std::thread::sleep(patience);
                }
                Err(_) => {}
            }
        }
        panic!("dnsmasq does not answer");
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = self.process.as_ref().unwrap().id();
        let id = rustix::process::Pid::from_raw(id.try_into().unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    fn registry(&self, rest: &str) -> Dns {
        open(&format!("dns://127.0.0.1:{}/{rest}", self.port))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn open(url: &str) -> Dns {
    Dns::open(&Url::parse(url)).unwrap()
}

async fn found(registry: &Dns, service: &str) -> Vec<String> {
    let nodes = registry.get(service).await.unwrap();
    let shown = |node: &Node| format!("{} {}", node.address, node.weight());
    nodes.iter().map(shown).collect()
}

#[tokio::test]
async fn srv_records_of_the_best_priority_become_weighted_nodes() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let registry = server.registry("micro.test?protocol=grpc");
    let expected = ["10.1.0.1:4001 60", "10.1.0.2:4002 40"];
    assert_eq!(found(&registry, "greeter").await, expected);
    assert_eq!(found(&registry, "users").await, ["10.1.0.1:5001 100"]);
    let nodes = registry.get("users").await.unwrap();
    assert_eq!(nodes[0].metadata["protocol"], "grpc");
    assert_eq!(nodes[0].id, "users-10.1.0.1:5001");
    for unknown in ["nobody", "topic:orders", "a b", ""] {
        assert!(found(&registry, unknown).await.is_empty(), "{unknown}");
    }
}

#[tokio::test]
async fn addresses_with_a_port_and_named_ports_are_nodes() {
    let Some(server) = Server::start(&["host-record=two.micro.test,10.1.0.9"]) else {
        return;
    };
    let registry = server.registry("micro.test?port=80");
    assert_eq!(found(&registry, "one").await, ["10.1.0.1:80 100"]);
    let both = ["10.1.0.2:80 100", "10.1.0.9:80 100"];
    assert_eq!(found(&registry, "two").await, both);
    assert_eq!(found(&registry, "six").await, ["[fd00::6]:80 100"]);
    assert!(found(&registry, "greeter").await.is_empty());
    let registry = server.registry("micro.test?port=grpc&namespace=prod");
    assert_eq!(found(&registry, "mixed").await, ["10.1.0.1:6001 100"]);
    assert!(found(&registry, "greeter").await.is_empty());
}

#[tokio::test]
async fn watch_follows_the_zone_after_each_ttl() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let registry = server.registry("micro.test");
    let mut updates = registry.watch(Some("users")).await.unwrap();
    until(&mut updates, &["users-10.1.0.1:5001"]).await;
    server.begin(&["srv-host=users.micro.test,two.micro.test,5002"]);
    let both = ["users-10.1.0.1:5001", "users-10.1.0.2:5002"];
    comes_within(&mut updates, &both, Duration::from_secs(5)).await;
}

#[tokio::test]
async fn missing_name_is_an_empty_service() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let registry = server.registry("micro.test");
    let mut updates = registry.watch(Some("nobody")).await.unwrap();
    assert_eq!(next_set(&mut updates).await, (vec![], false));
}

#[tokio::test]
async fn nodes_of_an_emptied_zone_are_kept_as_suspects() {
    let Some(mut server) = Server::start(&["srv-host=here.micro.test,one.micro.test,1"]) else {
        return;
    };
    let registry = server.registry("micro.test");
    let mut updates = registry.watch(Some("here")).await.unwrap();
    until(&mut updates, &["here-10.1.0.1:1"]).await;
    server.begin(&[]);
    assert!(found(&registry, "here").await.is_empty());
    let more = tokio::time::timeout(Duration::from_secs(4), async {
        loop {
            if let Update::Set { nodes, .. } = next(&mut updates).await {
                assert!(!nodes.is_empty(), "{nodes:?}");
            }
        }
    });
    assert!(more.await.is_err());
}

#[tokio::test]
async fn failing_or_silent_server_is_named_in_the_error() {
    let Some(mut server) = Server::start(&["address=/broken.test/"]) else {
        return;
    };
    let registry = server.registry("micro.test");
    let mut updates = registry.watch(Some("users")).await.unwrap();
    until(&mut updates, &["users-10.1.0.1:5001"]).await;
    // Of another zone it knows nobody to ask, and refuses.
    let other = server.registry("elsewhere.test");
    assert_eq!(
        other.get("users").await.unwrap_err().code(),
        Code::Unavailable
    );

    server.signal(rustix::process::Signal::STOP);
    let place = format!(
        "registry `dns` at 127.0.0.1:{} for `micro.test`",
        server.port
    );
    let error = tokio::time::timeout(Duration::from_secs(15), stale(&mut updates))
        .await
        .unwrap();
    assert!(error.contains(&place), "{error}");
    server.signal(rustix::process::Signal::CONT);
    assert_eq!(found(&registry, "users").await.len(), 1);

    server.stop();
    let error = registry.get("users").await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains(&place), "{error}");
    server.begin(&[]);
    assert_eq!(found(&registry, "users").await.len(), 1);
}

#[tokio::test]
async fn large_service_is_read_whole_without_leaks() {
    let records: Vec<_> = (1..=150)
        .map(|number| {
            let srv = format!("srv-host=many.micro.test,node-{number}.micro.test,{number}");
            format!("{srv}\nhost-record=node-{number}.micro.test,10.2.0.{number}")
        })
        .collect();
    let records: Vec<_> = records.iter().map(String::as_str).collect();
    let Some(server) = Server::start(&records) else {
        return;
    };
    let registry = server.registry("micro.test");
    let sockets = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = sockets();
    for _ in 0..3 {
        // More than a datagram holds.
        assert_eq!(found(&registry, "many").await.len(), 150);
    }
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let gone = async {
        while tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), gone).await;
    assert!(waited.is_ok(), "{} tasks are left", tasks());
    // Other tests of this process open some as well, but not as many as were asked for.
    assert!(sockets() < before + 150, "{before}, {}", sockets());
}

#[test]
fn handle_outlives_its_runtimes() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let registry = server.registry("micro.test");
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            assert_eq!(found(&registry, "users").await.len(), 1);
        });
    }
}

/// The zone that `tests/backends` has.
#[tokio::test]
async fn another_make_of_server_is_read_as_well() {
    let Some(server) = backend::server("dns") else {
        return;
    };
    let registry = open(&format!("dns://{server}/micro.test"));
    let expected = ["127.0.0.1:20001 10", "127.0.0.2:20002 30"];
    assert_eq!(found(&registry, "greeter").await, expected);
    assert_eq!(found(&registry, "many").await.len(), 100);
    let registry = open(&format!("dns://{server}/micro.test?port=80"));
    let both = ["127.0.0.1:80 100", "127.0.0.2:80 100"];
    assert_eq!(found(&registry, "alias").await, both);
    assert_eq!(found(&registry, "six").await, ["[::1]:80 100"]);
}

#[tokio::test]
async fn it_is_only_read_and_says_what_it_cannot() {
    let registry = open("dns:micro.test");
    let node = Node::new("greeter", "greeter-1", "127.0.0.1:80");
    registry.register(&node, None).await.unwrap();
    registry.deregister(&node).await.unwrap();
    let error = registry.list().await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(registry.watch(None).await.is_err());
}
