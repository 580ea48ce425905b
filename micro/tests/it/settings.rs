//! What the environment and the command line say.

mod addresses;
#[path = "../../examples/own_plugin.rs"]
mod own_plugin;
mod urls;
mod warned;

use std::time::Duration;

use micro::{
    Code, Context, Error, Plugins, Result, Service, Settings,
    registry::{self, Registry as _},
    transport::Memory,
};

fn said(environment: &[(&str, &str)], arguments: &[&str]) -> Result<Settings> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings::new()
        .env(environment.iter().map(owned))?
        .args(arguments.iter().copied())
}

fn wrong(environment: &[(&str, &str)], arguments: &[&str]) -> Error {
    let settings = match said(environment, arguments) {
        Ok(settings) => settings,
        Err(error) => return error,
    };
    let service = in_memory("wrong").settings(settings);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime.unwrap().block_on(service.serve()) {
        Ok(_) => panic!("{environment:?} {arguments:?} are wrong"),
        Err(error) => error,
    }
}

fn in_memory(name: &str) -> Service {
    Service::new(name)
        .plugins(
            Plugins::new()
                .registry(registry::Memory::new())
                .transport(Memory::new()),
        )
        .lifecycle(|lifecycle| lifecycle.deregister_delay = Duration::ZERO)
}

#[tokio::test]
async fn flag_is_over_the_environment_and_that_over_code() {
    let environment = [
        ("MICRO_SERVER_NAME", "of-environment"),
        ("MICRO_SERVER_VERSION", "2"),
        ("MICRO_SERVER_ID", ""),
        ("MICRO_SERVER_METADATA", "zone=west,rack=7"),
        ("MICRO_UNHEARD_OF", "x"),
    ];
    let arguments = [
        "--server_version=3",
        "--server-address",
        "memory:place",
        "--server-advertise=memory:elsewhere",
    ];
    let service = in_memory("of-code")
        .id("code")
        .version("1")
        .metadata("zone", "east")
        .metadata("row", "4")
        .settings(said(&environment, &arguments).unwrap());
    let running = service.serve().await.unwrap();
    let node = running.node();
    assert_eq!(node.service, "of-environment");
    assert_eq!(node.version, "3");
    assert_eq!(
        node.id, "of-environment-code",
        "an empty value says nothing"
    );
    assert_eq!(node.address, "memory:elsewhere");
    let metadata = |name| node.metadata.get(name).map(String::as_str);
    assert_eq!(
        [metadata("zone"), metadata("rack"), metadata("row")],
        [Some("west"), Some("7"), Some("4")]
    );
    running.stop().await;
}

#[tokio::test]
async fn flags_of_metadata_add_up_and_replace_the_environments() {
    let settings = said(
        &[("MICRO_SERVER_METADATA", "zone=west")],
        &["--server-metadata=a=1", "--server_metadata", "b=2,c=3"],
    );
    let service = in_memory("a").settings(settings.unwrap());
    let running = service.serve().await.unwrap();
    let metadata = &running.node().metadata;
    assert_eq!(
        ["a", "b", "c"].map(|name| metadata[name].as_str()),
        ["1", "2", "3"]
    );
    assert!(!metadata.contains_key("zone"));
    running.stop().await;
}

#[test]
fn flags_of_ones_own_are_left_and_slips_are_errors() {
    let arguments = [
        "serve",
        "--name=x",
        "--registry=memory",
        "--verbose",
        "--clients",
        "3",
        "--",
        "--regitry=x",
    ];
    let settings = said(&[], &arguments).unwrap();
    let rest = [
        "serve",
        "--name=x",
        "--verbose",
        "--clients",
        "3",
        "--",
        "--regitry=x",
    ];
    assert_eq!(settings.rest(), rest);
    let error = wrong(&[], &["--regitry=memory"]);
    assert_eq!(error.code(), Code::InvalidArgument);
    let message = error.message();
    assert!(
        message.contains("`--regitry`") && message.contains("`--registry`"),
        "{message}"
    );
}

#[test]
fn wrong_value_names_its_setting_and_what_is_expected() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);
    let cases: [Case<'_>; 16] = [
        (&[], &["--registry"], &["--registry", "needs a value"]),
        (
            &[],
            &["--registry", "--verbose"],
            &["--registry", "needs a value"],
        ),
        (
            &[("MICRO_REGISTRY", "loacl")],
            &[],
            &[
                "registry `loacl`",
                "did you mean `local`",
                "`memory`",
                "with_registry",
            ],
        ),
        (
            &[("MICRO_REGISTRY", "eureka")],
            &[],
            &[
                "registry `eureka`",
                "built in are: ",
                "`local`, ",
                "`memory`, ",
                "`static`",
            ],
        ),
        (
            &[],
            &["--broker=rabbitmq://root@here"],
            &[
                "broker `rabbitmq`",
                "built in are: `direct`, `http`, `memory`;",
            ],
        ),
        (
            &[],
            &["--transport=carrier-pigeon"],
            &["transport `carrier-pigeon` is not known", "`native`"],
        ),
        (
            &[],
            &["--selector=best"],
            &["strategy", "`p2c`", "`least-loaded`"],
        ),
        (
            &[("MICRO_REGISTER_TTL", "soon")],
            &[],
            &["`MICRO_REGISTER_TTL`", "`soon`", "1m30s"],
        ),
        (
            &[],
            &["--client-retries=many"],
            &["`--client-retries`", "number"],
        ),
        (
            &[],
            &["--server-metadata=zone"],
            &["`--server-metadata`", "zone=west"],
        ),
        (
            &[],
            &["--broker=http://127.0.0.1:0?style=v3"],
            &["`style`", "unknown style `v3`", "`v1.18`", "`v0`"],
        ),
        (
            &[],
            &["--broker=http://127.0.0.1:0?stile=v2"],
            &["unknown key `stile`", "`style`", "`register`", "`discover`"],
        ),
        (
            &[],
            &["--broker=direct://127.0.0.1:0?style=v2"],
            &["unknown key `style`"],
        ),
        (
            &[],
            &["--broker=dirct"],
            &["broker `dirct`", "did you mean `direct`", "`memory`"],
        ),
        (
            &[],
            &["--transport=native:x"],
            &["`native` takes no address"],
        ),
        (
            &[],
            &["--registry=memory:x"],
            &["`memory` takes no address"],
        ),
    ];
    for (environment, arguments, expected) in cases {
        let error = wrong(environment, arguments);
        assert_eq!(error.code(), Code::InvalidArgument);
        for part in expected {
            assert!(error.message().contains(part), "{part}: {error}");
        }
    }
}

/// A registry under a name, which says at which address it was opened by failing.
fn address_of(environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let settings = said(environment, arguments)
        .unwrap()
        .with_registry("mine", |url| -> Result<registry::Memory> {
            Err(Error::aborted(url.address().to_owned()))
        })
        .with_registry("other", |url| -> Result<registry::Memory> {
            Err(Error::aborted(format!("other {}", url.address())))
        });
    let error = settings.apply(Plugins::new()).err().unwrap();
    error.message().rsplit(": ").next().unwrap().to_owned()
}

#[test]
fn address_comes_with_the_name_or_by_itself() {
    let name = ("MICRO_REGISTRY", "mine");
    let address = ("MICRO_REGISTRY_ADDRESS", "10.0.0.1:80");
    assert_eq!(
        address_of(&[], &["--registry=mine://10.0.0.2:80"]),
        "10.0.0.2:80"
    );
    assert_eq!(
        address_of(&[], &["--registry=mine:/some/where"]),
        "/some/where"
    );
    assert_eq!(address_of(&[name, address], &[]), "10.0.0.1:80");
    assert_eq!(address_of(&[address], &["--registry=mine"]), "10.0.0.1:80");
    assert_eq!(
        address_of(&[name, address], &["--registry=mine"]),
        "10.0.0.1:80"
    );
    let flag = ["--registry-address=10.0.0.3:80"];
    assert_eq!(address_of(&[name, address], &flag), "10.0.0.3:80");
    assert_eq!(
        address_of(&[("MICRO_REGISTRY", "mine://10.0.0.2:80")], &flag),
        "10.0.0.3:80"
    );
    assert_eq!(
        address_of(&[name, address], &["--registry=other"]),
        "other ",
        "the address is that of the registry that was not chosen"
    );
    let twice = wrong(&[], &["--registry=local:/a", "--registry-address=/b"]);
    assert!(twice.message().contains("leave one out"), "{twice}");
    let alone = wrong(&[], &["--registry-address=/b"]);
    assert!(alone.message().contains("without a name"), "{alone}");
    let both = ["--registry=local:/a,memory", "--registry-address=/b"];
    let list = wrong(&[], &both);
    assert!(list.message().contains("behind its name"), "{list}");
}

#[test]
fn secrets_of_an_address_are_not_in_errors_nor_in_debug_output() {
    let secret = "--registry=mine://root:hunter2@10.0.0.1:80?token=abcdef";
    let settings = said(&[], &[secret]).unwrap();
    let settings = settings.with_registry("mine", |_| -> Result<registry::Memory> {
        Err(Error::unavailable("it is down"))
    });
    let debugged = format!("{settings:?}");
    let error = settings.apply(Plugins::new()).err().unwrap().to_string();
    assert!(error.contains("10.0.0.1:80"), "{error}");
    for shown in [debugged, error] {
        assert!(
            !shown.contains("hunter2") && !shown.contains("abcdef"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn several_registries_are_named_with_commas() {
    let (one, other) = (registry::Memory::new(), registry::Memory::new());
    let handles = (one.clone(), other.clone());
    let settings = said(&[], &["--registry=one:x,other"]).unwrap();
    let settings = settings
        .with_registry("one", move |_| Ok(handles.0.clone()))
        .with_registry("other", move |_| Ok(handles.1.clone()));
    let opened = settings.registries().unwrap();
    let urls: Vec<_> = opened.iter().map(|(url, _)| url.to_string()).collect();
    assert_eq!(urls, ["one:x", "other"]);
    let running = in_memory("both").settings(settings).serve().await.unwrap();
    assert_eq!(running.node().metadata["registry"], "memory,memory");
    for registry in [one, other] {
        let nodes = registry.get("both").await.unwrap();
        assert_eq!(nodes, [running.node().clone()]);
    }
    running.stop().await;
}

/// What a registry `mine` finds under these keys of its URL.
fn keys_of(environment: &[(&str, &str)], arguments: &[&str]) -> Vec<(String, String)> {
    let settings = said(environment, arguments).unwrap();
    let settings = settings.with_registry("mine", |url| -> Result<registry::Memory> {
        let keys = url
            .keys()
            .map(|key| format!("{key}={}", url.query(key).unwrap_or_default()));
        Err(Error::aborted(keys.collect::<Vec<_>>().join("&")))
    });
    let error = settings.apply(Plugins::new()).err().unwrap();
    let keys = error.message().rsplit(": ").next().unwrap();
    let pairs = keys.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn what_belongs_to_a_registry_is_put_into_its_url() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<_> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let environment = [
        ("MICRO_REGISTRY_TOKEN", "abc"),
        ("MICRO_REGISTRY_TLS_CA", "/a b"),
    ];
    assert_eq!(
        keys_of(
            &environment,
            &[
                "--registry=mine",
                "--registry-namespace=blue",
                "--registry-tls"
            ]
        ),
        pairs(&[
            ("namespace", "blue"),
            ("tls", "true"),
            ("tls-ca", "/a b"),
            ("token", "abc")
        ])
    );
    assert_eq!(
        keys_of(
            &environment,
            &[
                "--registry=mine://h?token=own",
                "--registry-tls-insecure=no"
            ]
        ),
        pairs(&[
            ("token", "own"),
            ("tls-ca", "/a b"),
            ("tls-insecure", "false")
        ])
    );
    assert_eq!(
        keys_of(
            &[],
            &[
                "--registry=local,mine",
                "--registry-user=u",
                "--registry-password=p"
            ]
        ),
        pairs(&[("password", "p"), ("user", "u")]),
        "`local` has no users"
    );
}

#[test]
fn what_a_registry_does_not_take_is_an_error() {
    for (arguments, expected) in [
        (
            &["--registry=memory", "--registry-token=abc"][..],
            "`--registry-token`: registry `memory` is no server",
        ),
        (
            &["--registry=memory", "--registry-namespace=a"],
            "registry `memory` has no namespaces",
        ),
        (&["--registry=local:/a?namespace=b/c"], "namespace `b/c`"),
        (&["--registry=local:/a?color=red"], "unknown key `color`"),
        (&["--registry-token=abc"], "add `--registry=NAME`"),
        (
            &["--registry=mine://a,mine://b", "--registry-token=abc"],
            "put it behind each name",
        ),
        (
            &["--registry=mine", "--registry-password=abc"],
            "without a user",
        ),
        (
            &["--registry=mine", "--registry-tls=maybe"],
            "`--registry-tls`: `maybe` is neither",
        ),
    ] {
        let settings = said(&[], arguments).unwrap();
        let settings = settings.with_registry("mine", |_| Ok(registry::Memory::new()));
        let error = settings.apply(Plugins::new()).err().unwrap();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(expected), "{arguments:?}: {error}");
        assert!(!error.message().contains("abc"), "{error}");
    }
    // It is for other runs.
    let environment = [("MICRO_REGISTRY_TOKEN", "abc")];
    let settings = said(&environment, &["--registry=memory"]).unwrap();
    assert!(settings.apply(Plugins::new()).is_ok());
}

#[tokio::test]
async fn blanks_around_a_value_are_no_part_of_it() {
    let environment = [
        ("MICRO_SERVER_NAME", " blank\n"),
        ("MICRO_SERVER_VERSION", "  "),
        ("MICRO_REGISTRY", " memory "),
    ];
    let arguments = ["--server-advertise", " memory:there "];
    let settings = said(&environment, &arguments).unwrap();
    let running = in_memory("code").settings(settings).serve().await.unwrap();
    let node = running.node();
    assert_eq!((&*node.service, &*node.address), ("blank", "memory:there"));
    assert_eq!(node.version, "latest", "blanks alone say nothing");
    let error = wrong(&[], &["--server-name=  "]);
    assert!(error.message().contains("needs a value"), "{error}");
}

#[test]
fn flag_that_looks_like_ours_is_an_error_with_a_hint() {
    for (flag, meant) in [
        ("--registry-ttl=5", "`--register-ttl`"),
        ("--registry_interval=5", "`--register-interval`"),
        ("--client-timeout=5s", "`--client-request-timeout`"),
        ("--tls-keyfile=x", "`--tls-key`"),
    ] {
        let error = wrong(&[], &[flag]);
        let spelled = flag.split('=').next().unwrap();
        let message = error.message();
        assert!(
            message.contains(spelled) && message.contains(meant),
            "{message}"
        );
    }
    let own = said(
        &[],
        &["--registrar=x", "--clients", "--", "--registry-ttl=5"],
    );
    assert_eq!(own.unwrap().rest().len(), 4);
}

#[test]
fn help_and_version_start_no_server() {
    for flag in ["--help", "--version"] {
        // It would fail if it listened.
        let service = Service::new("helped").address("nowhere").version("1.2");
        service.settings(said(&[], &[flag]).unwrap()).run().unwrap();
    }
}

#[cfg(unix)]
#[test]
fn setting_that_is_not_utf_8_is_an_error_that_names_it() {
    use std::os::unix::ffi::OsStrExt;

    let odd = std::ffi::OsStr::from_bytes(b"a\xff");
    let test = "settings::inside_a_setting_is_not_utf_8";
    let mut process = crate::process::Process::start(test, &[("MICRO_SERVER_NAME", odd)]);
    assert!(process.ends_well());
}

#[test]
#[ignore = "run with a variable that is not UTF-8"]
fn inside_a_setting_is_not_utf_8() {
    let error = Settings::from_env().unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("`MICRO_SERVER_NAME`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn clients_timeout_and_retries_are_set() {
    let settings = said(
        &[("MICRO_CLIENT_REQUEST_TIMEOUT", "1500ms")],
        &["--client-retries=0"],
    );
    let code = Plugins::new()
        .registry(registry::Memory::new())
        .transport(Memory::new());
    let plugins = settings.unwrap().apply(code).unwrap();
    let service = Service::new("slow").plugins(plugins.clone()).handle(
        "Slow.Down",
        async |cx: Context, (): ()| {
            assert_eq!(cx.attempts_left(), Some(1));
            std::future::pending::<Result<()>>().await
        },
    );
    let running = service.serve().await.unwrap();
    let slow = plugins.client().unwrap();
    let slow = slow.method::<(), ()>("slow", "Slow.Down");
    let began = tokio::time::Instant::now();
    let error = slow.call(&Context::new(), ()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(began.elapsed().as_millis(), 1500);
    drop(running);
}

#[tokio::test]
async fn handlers_client_has_the_plugins_of_the_running_service() {
    let shared = registry::Memory::new();
    let transport = Memory::new();
    let plugins = Plugins::new()
        .registry(shared.clone())
        .transport(transport.clone());
    let back = Service::new("back")
        .plugins(plugins.clone())
        .handle("Back.Name", async |_: Context, (): ()| {
            Ok::<_, micro::Error>("back".to_owned())
        })
        .serve()
        .await
        .unwrap();
    let settings = said(&[], &["--registry=shared", "--transport=shared"])
        .unwrap()
        .with_registry("shared", move |_| Ok(shared.clone()))
        .with_transport("shared", move |_| Ok(transport.clone()));
    let front = in_memory("front").settings(settings);
    let name = front.client().method::<(), String>("back", "Back.Name");
    let front = front.handle("Front.Name", move |cx: Context, (): ()| {
        let name = name.clone();
        async move { name.call(&cx, ()).await }
    });
    let front = front.serve().await.unwrap();
    let client = plugins.client().unwrap();
    let name = client.method::<(), String>("front", "Front.Name");
    assert_eq!(name.call(&Context::new(), ()).await.unwrap(), "back");
    drop((front, back));
}

#[tokio::test]
async fn plugins_of_ones_own_are_chosen_by_the_same_flags() {
    let flags = ["--registry=list", "--selector=first"];
    let settings = own_plugin::settings().args(flags).unwrap();
    let greeting = own_plugin::greet(settings).await.unwrap();
    assert_eq!(greeting, "Hello John (picked by `first`)");
}

/// The default that `docs/settings.md` shows for a setting.
fn shown(name: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    let page = std::fs::read_to_string(page).unwrap();
    let row = page
        .lines()
        .find(|row| row.starts_with(&format!("| `--{name}` ")))
        .unwrap();
    let default = row.split(" | ").nth(2).unwrap();
    default.trim_matches('`').to_owned()
}

#[test]
fn defaults_on_the_page_are_those_of_the_code() {
    let seconds = |duration: Duration| format!("{}s", duration.as_secs_f64());
    let life = micro::Lifecycle::default();
    assert_eq!(shown("register-ttl"), seconds(life.register_ttl));
    assert_eq!(shown("register-interval"), seconds(life.register_interval));
    let calls = micro::balance::Settings::default();
    assert_eq!(shown("client-request-timeout"), seconds(calls.timeout));
    assert_eq!(shown("client-retries"), (calls.attempts - 1).to_string());
    let limits = micro::transport::Limits::default();
    assert_eq!(shown("client-pool-ttl"), seconds(limits.idle_timeout));
}

#[tokio::test]
async fn default_plugins_on_the_page_are_those_of_a_service() {
    let directory = std::env::temp_dir().join(format!("micro-settings-{}", std::process::id()));
    let plugins = Plugins::new().registry(registry::Local::at(&directory));
    let running = Service::new("plain")
        .plugins(plugins)
        .serve()
        .await
        .unwrap();
    let node = running.node();
    for kind in ["registry", "broker"] {
        assert_eq!(node.metadata[kind], shown(kind));
    }
    // `transport` is what go-micro reads there.
    let native = format!("{}/", shown("transport"));
    assert!(node.metadata["protocols"].starts_with(&native));
    assert_eq!(node.version, shown("server-version"));
    let (host, _) = node.address.rsplit_once(':').unwrap();
    assert_eq!(format!("{host}:0"), shown("server-address"));
    running.stop().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn style_of_the_http_broker_is_in_its_url() {
    for (style, service) in [
        ("v2", "micro.http.broker"),
        ("v1.18", "go.micro.http.broker"),
        ("v1.13", "news"),
        ("v0", "topic:news"),
    ] {
        let registry = registry::Memory::new();
        let url = format!("--broker=http://127.0.0.1:0?style={style}");
        let settings = Settings::new().args([url]).unwrap();
        let plugins = Plugins::new().registry(registry.clone());
        let client = settings.apply(plugins).unwrap().client().unwrap();
        let subscription = client.subscribe("news", None).await.unwrap();
        let services = registry::Registry::list(&registry).await.unwrap();
        assert_eq!(services, [service], "{style}");
        subscription.close().await;
    }
}
