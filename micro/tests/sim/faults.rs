//! What goes wrong, where, and for how long.

use std::{rc::Rc, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use micro::sim::Random;

use super::nodes::{Node, Scene};

/// Every host by name, and those that serve.
pub struct Stage {
    pub scene: Scene,
    pub hosts: Vec<String>,
    pub nodes: Vec<Mutex<Node>>,
}

/// Does harm until a time, and makes good each harm before the next.
pub async fn chaos(stage: Rc<Stage>, mut random: Random, until: Instant) {
    while Instant::now() < until {
        sleep(random.millis(20..400)).await;
        harm(&stage, &mut random).await;
    }
}

async fn harm(stage: &Stage, random: &mut Random) {
    let world = &stage.scene.world;
    let (network, registry) = (world.network(), world.registry());
    let host = random.one_of(&stage.hosts).clone();
    let other = random.one_of(&stage.hosts).clone();
    let node = random.one_of(&stage.nodes);
    let lasts = match random.chance(20) {
        true => random.millis(500..2_500),
        false => random.millis(10..500),
    };
    let which = random.within(0..15);
    world.note(&format!("harm {which} of {host} and {other} for {lasts:?}"));
    match which {
        0 => {
            network.cut(&host, &other);
            network.cut(&other, &host);
            sleep(lasts).await;
            network.heal(&host, &other);
            network.heal(&other, &host);
        }
        1 | 2 => {
            network.cut(&host, &other);
            sleep(lasts).await;
            network.heal(&host, &other);
        }
        3 => network.reset(&host),
        4 => {
            network.refuse(&host);
            sleep(lasts).await;
            network.accept(&host);
        }
        5 | 6 => {
            if let Ok(mut node) = node.try_lock() {
                node.kill();
                sleep(lasts).await;
                // It may fail: another harm, or the end, tries again.
                let _ = node.start().await;
            }
        }
        7 | 8 => {
            if let Ok(mut node) = node.try_lock() {
                node.stop().await;
                node.kill();
                let _ = node.start().await;
            }
        }
        9 => {
            // A caller that stands still cannot keep a deadline.
            let host = host_of(stage, random);
            network.stall(&host);
            sleep(lasts).await;
            network.resume(&host);
        }
        10 => match random.within(0..3) {
            0 => {
                registry.set_down(true);
                sleep(lasts).await;
                registry.set_down(false);
            }
            1 => {
                registry.set_stalled(true);
                sleep(lasts).await;
                registry.set_stalled(false);
            }
            _ => registry.forget(),
        },
        11 | 12 => {
            // The whole process, and not its network alone.
            let host = host_of(stage, random);
            world.freeze(&host);
            sleep(lasts).await;
            world.thaw(&host);
        }
        13 => {
            if let Ok(mut node) = node.try_lock() {
                // It may fail, as any start may.
                let _ = node.replace().await;
                sleep(lasts).await;
                node.kill();
                let _ = node.start().await;
            }
        }
        _ => {
            network.set_latency(random.millis(10..120));
            sleep(lasts).await;
            network.set_latency(Duration::from_millis(2));
        }
    }
}

/// A host that serves.
fn host_of(stage: &Stage, random: &mut Random) -> String {
    let servers = stage.hosts.iter().filter(|host| !host.starts_with("edge"));
    let servers: Vec<_> = servers.cloned().collect();
    random.one_of(&servers).clone()
}
