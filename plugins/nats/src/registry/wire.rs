//! What go-micro's processes say to each other over NATS.

use serde::{Deserialize, Serialize};

use micro_core::{node::Node, registry::encoding::Service};

/// go-micro's own subjects, and those of its plugin of before v5. A fleet may have both, so all is said on both.
const SUBJECT_PREFIXES: [&str; 2] = ["micro.nats", "micro.registry.nats"];

/// The subjects of one fleet.
#[derive(Clone)]
pub(super) struct Subjects {
    pub(super) query: Vec<String>,
    pub(super) watch: Vec<String>,
}

impl Subjects {
    pub(super) fn of(namespace: &str) -> Self {
        let subjects = |end: &str| {
            let families = SUBJECT_PREFIXES.iter();
            let subjects = families.map(|family| match namespace {
                "" => format!("{family}.{end}"),
                namespace => format!("{namespace}.{family}.{end}"),
            });
            subjects.collect()
        };
        Subjects {
            query: subjects("query"),
            watch: subjects("watch"),
        }
    }
}

/// A question, or what became of a service's nodes.
#[derive(Serialize, Deserialize)]
pub(super) struct RegistryMessage {
    #[serde(rename = "Service", default)]
    pub(super) service: Option<Service>,
    #[serde(rename = "Action", default)]
    pub(super) action: String,
}

impl RegistryMessage {
    pub(super) fn of_node(action: &str, node: &Node) -> Vec<u8> {
        json(&RegistryMessage {
            service: Some(Service::new(node)),
            action: action.to_owned(),
        })
    }

    pub(super) fn get(name: &str) -> Vec<u8> {
        let mut service = Service::default();
        name.clone_into(&mut service.name);
        let service = Some(service);
        let action = "get".to_owned();
        json(&RegistryMessage { service, action })
    }

    pub(super) fn list() -> Vec<u8> {
        let (service, action) = (None, "list".to_owned());
        json(&RegistryMessage { service, action })
    }

    /// What is said, if it is of go-micro's.
    pub(super) fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The service it is about.
    pub(super) fn name(&self) -> &str {
        self.service.as_ref().map_or("", |service| &service.name)
    }

    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.service.map(Service::into_nodes).unwrap_or_default()
    }

    /// The answers to a question, of a process that has these nodes: one for each version.
    pub(super) fn answers<'a>(&self, own: impl Iterator<Item = &'a Node>) -> Vec<Vec<u8>> {
        match (&*self.action, self.name()) {
            ("list", _) => {
                let mut services = Service::group(own);
                for service in &mut services {
                    service.nodes.clear();
                    service.endpoints = Vec::new().into();
                }
                services.dedup();
                services.iter().map(json).collect()
            }
            ("get", name) => {
                let asked = own.filter(|node| node.service == name);
                Service::group(asked).iter().map(json).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn json(said: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(said).expect("text, lists and maps of text are always JSON")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use super::*;

    const CAPTURE: &str = include_str!("../../../../interop/captures/v6-registry-nats.txt");

    /// The JSON in a capture that go-micro's registry said or heard.
    fn captured() -> Vec<&'static str> {
        let lines = CAPTURE.lines();
        let payloads = lines.filter_map(|line| line.get(2..)?.strip_suffix("\\r\\n"));
        let payloads = payloads
            .filter(|payload| payload.starts_with("{\"Service") || payload.starts_with("{\"name"));
        payloads.collect()
    }

    #[test]
    fn messages_of_go_micro_round_trip() {
        let (mut created, mut deleted, mut asked, mut answered) = (0, 0, 0, 0);
        for payload in captured() {
            let service = match RegistryMessage::read(payload.as_bytes()).unwrap() {
                RegistryMessage {
                    action,
                    service: Some(service),
                } => {
                    match &*action {
                        "create" => created += 1,
                        "delete" => deleted += 1,
                        "get" => {
                            asked += 1;
                            let ours: serde_json::Value =
                                serde_json::from_slice(&RegistryMessage::get(&service.name))
                                    .unwrap();
                            let theirs: serde_json::Value = serde_json::from_str(payload).unwrap();
                            assert_eq!(ours, theirs);
                        }
                        other => panic!("{other}"),
                    }
                    service
                }
                RegistryMessage { service: None, .. } => {
                    answered += 1;
                    serde_json::from_str(payload).unwrap()
                }
            };
            for node in service.into_nodes() {
                let ours = RegistryMessage::of_node("create", &node);
                let read = RegistryMessage::read(&ours).unwrap().into_nodes();
                assert_eq!(read, std::slice::from_ref(&node));
                if node.service == "greeter" && !node.endpoints.is_empty() {
                    assert_eq!((&*node.id, &*node.version), ("greeter-srv1", "1.0.0"));
                    assert_eq!(node.metadata["protocol"], "mucp");
                    assert!(node.endpoint("Greeter.Chat").is_some());
                    let question = RegistryMessage::read(&RegistryMessage::get("greeter")).unwrap();
                    let answers = question.answers([&node].into_iter());
                    let answer: Service = serde_json::from_slice(&answers[0]).unwrap();
                    assert_eq!(answer.into_nodes(), [node]);
                }
            }
        }
        assert!(
            created >= 2 && deleted >= 1 && asked >= 1 && answered >= 1,
            "{created} {deleted} {asked} {answered}"
        );
    }

    #[test]
    fn list_answers_name_each_service_once() {
        let nodes = [
            Node::new("a", "1", "h:1"),
            Node::new("a", "2", "h:2"),
            Node::new("b", "3", "h:3"),
        ];
        let answers = RegistryMessage::read(&RegistryMessage::list())
            .unwrap()
            .answers(nodes.iter());
        let names = answers.iter().map(|answer| {
            let service: Service = serde_json::from_slice(answer).unwrap();
            assert!(service.nodes.is_empty());
            service.name
        });
        assert_eq!(names.collect::<Vec<_>>(), ["a", "b"]);
        let odd = RegistryMessage::read(br#"{"Action":"dance"}"#).unwrap();
        assert!(odd.answers(nodes.iter()).is_empty());
    }

    #[test]
    fn namespace_prefixes_every_subject() {
        let subjects = Subjects::of("blue");
        assert_eq!(
            subjects.query,
            ["blue.micro.nats.query", "blue.micro.registry.nats.query"]
        );
        assert_eq!(
            Subjects::of("").watch,
            ["micro.nats.watch", "micro.registry.nats.watch"]
        );
    }
}
