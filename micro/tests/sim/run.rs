//! One run: everything is set up, harmed for a while, made good, and must work again.

use std::{rc::Rc, time::Duration};

use micro::{
    Client, Context,
    sim::{Simulation, World},
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use super::{
    callers::Caller,
    events::Events,
    faults::{Stage, chaos},
    ledger::Ledger,
    nodes::{LEAVES, Node, RELAYS, Scene, TOPIC, Work, leaf_method},
};

/// Harm is done for this long.
const HARM: Duration = Duration::from_secs(4);
/// No ejection lasts longer than this, nor does a doubt about an empty registry.
const RECOVERY: Duration = Duration::from_secs(35);
/// By then what was published is acknowledged: the longest rest before an event is delivered again, and some.
const FLUSH: Duration = Duration::from_secs(15);

/// What came of a run.
pub struct Report {
    pub hash: u64,
    pub violations: Vec<String>,
    pub lines: Vec<String>,
    pub calls: usize,
    pub fine: usize,
    /// Events that came to a queue again and were handled.
    pub redelivered: usize,
    /// Second attempts made beside a first.
    pub hedged: u64,
}

/// Plays the run of a seed.
pub fn run(seed: u64, keep_lines: bool) -> Report {
    let mut simulation = Simulation::new(seed);
    if keep_lines {
        simulation = simulation.keep_trace();
    }
    let recording = simulation.record(play);
    let mut report = recording.value;
    report.hash = recording.hash;
    report.lines = recording.trace;
    if recording.tasks_left > 0 {
        let left = recording.tasks_left;
        let left = format!("{left} tasks are left when everything is gone");
        report.violations.push(left);
    }
    report
}

async fn play(world: World) -> Report {
    let mut random = world.random();
    let scene = Scene {
        world,
        ledger: Ledger::default(),
        events: Events::default(),
    };
    let mut hosts = Vec::new();
    let mut nodes = Vec::new();
    let leaves = LEAVES.iter().map(|host| (*host, "leaf"));
    let relays = RELAYS.iter().map(|host| (*host, "relay"));
    for (host, service) in leaves.chain(relays) {
        let mut node = Node::new(host, service, &scene, &mut random);
        node.start().await.expect("nothing is harmed yet");
        nodes.push(Mutex::new(node));
        hosts.push(host.to_owned());
    }
    let edges = ["edge-1", "edge-2"];
    hosts.extend(edges.map(str::to_owned));
    let clients: Vec<_> = edges
        .iter()
        .map(|host| scene.plugins(host, host, &mut random).client())
        .collect::<micro::Result<_>>()
        .expect("a client needs nothing but its parts");
    for (number, client) in clients.iter().enumerate() {
        // What waits for the first word of version weights is woken in any order: so only one does.
        let method = leaf_method(client, "Leaf.Put");
        let first = method.call(&Context::new(), idle(200 + number as u64));
        first.await.expect("nothing is harmed yet");
    }
    let stage = Rc::new(Stage {
        scene: scene.clone(),
        hosts,
        nodes,
    });
    let until = Instant::now() + HARM;
    let mut tasks = Vec::new();
    for number in 0..8 {
        let client = &clients[number as usize % clients.len()];
        let caller = Caller::new(number, client, &scene, &mut random);
        tasks.push(tokio::task::spawn_local(caller.run(until)));
    }
    for _ in 0..2 {
        let chaos = chaos(stage.clone(), random.fork(), until);
        tasks.push(tokio::task::spawn_local(chaos));
    }
    for task in tasks {
        if let Err(error) = task.await {
            scene.ledger.violation(format!("a task panicked: {error}"));
        }
    }
    for node in &stage.nodes {
        let mut node = node.lock().await;
        while node.start().await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    }
    scene.world.advance(RECOVERY).await;
    for client in &clients {
        if timeout(FLUSH, client.broker().flush()).await.is_err() {
            let violation = "an event is not acknowledged when all is well again".to_owned();
            scene.ledger.violation(violation);
        }
    }
    for (number, client) in clients.iter().enumerate() {
        all_is_well(&scene, client, number as u64).await;
    }
    let hedged = clients
        .iter()
        .map(|client| client.stats("leaf").hedges + client.stats("relay").hedges);
    let hedged = hedged.sum();
    drop(clients);
    let (calls, fine) = scene.ledger.calls();
    let stage = Rc::into_inner(stage).expect("the chaos tasks have ended");
    let mut nodes: Vec<_> = stage.nodes.into_iter().map(Mutex::into_inner).collect();
    for node in &mut nodes {
        node.stop().await;
    }
    // What was aborted goes at its next turn.
    sleep(Duration::from_secs(2)).await;
    for node in &mut nodes {
        let (left, host) = (scene.world.tasks(&node.host), &node.host);
        if left > 0 {
            let left = format!("{left} tasks are left of {host} when it has stopped");
            scene.ledger.violation(left);
        }
        node.kill();
    }
    if scene.world.network().connections() > 0 {
        let open = scene.world.network().connections();
        let left = format!("{open} connections are left when everything is gone");
        scene.ledger.violation(left);
    }
    let mut violations = scene.ledger.violations();
    violations.extend(scene.events.violations());
    Report {
        hash: 0,
        violations,
        lines: Vec::new(),
        calls,
        fine,
        redelivered: scene.events.redelivered(),
        hedged,
    }
}

/// Nothing is harmed any more: a call succeeds, and an event reaches everyone, once.
async fn all_is_well(scene: &Scene, client: &Client, id: u64) {
    let work = idle(id);
    let context = Context::new().with_timeout(Duration::from_secs(1));
    let method = leaf_method(client, "Leaf.Put");
    if let Err(error) = method.call(&context, work.clone()).await {
        let violation = format!("a call fails when all is well again: {error}");
        scene.ledger.violation(violation);
    }
    let told = client.publish(&context, TOPIC, &work).await;
    // Two queues, and each relay besides.
    let expected = 2 + RELAYS.len();
    if !matches!(told, Ok(receivers) if receivers == expected) {
        let violation = format!("an event is not received by {expected} at the end: {told:?}");
        scene.ledger.violation(violation);
    }
    scene.events.published(id, told);
}

/// Work that is none.
fn idle(id: u64) -> Work {
    Work {
        id,
        millis: 0,
        fails: None,
        count: 0,
        payload: String::new(),
    }
}
