//! The configuration: cluster, namespace and credentials, from the URL or the pod of this process.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{credentials::Credentials, object::is_label, slices::Port};
use micro_core::{
    Error, Result,
    url::{Options, Url, env_var, non_blank},
};

/// The folder of the service account in a pod.
const SERVICE_ACCOUNT_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Options of this registry only.
const OPTION_KEYS: [&str; 6] = [
    "pod",
    "kind",
    "endpoint-slices",
    "port",
    "protocol",
    "token-file",
];

/// The configuration from the URL and the pod.
pub(super) struct Config {
    pub(super) options: Options,
    /// The Kubernetes namespace.
    pub(super) namespace: String,
    /// The pod to register, if known.
    pub(super) pod: Option<String>,
    pub(super) kind: Source,
    pub(super) credentials: Arc<Credentials>,
}

/// The objects that are nodes.
pub(super) enum Source {
    /// Pods with our annotations.
    Pods,
    /// Endpoint slices of plain services.
    Slices(Port),
}

impl Config {
    pub(super) fn of(url: &Url) -> Result<Self> {
        Config::in_pod(url, &ServiceAccount(Path::new(SERVICE_ACCOUNT_DIR)))
    }

    fn in_pod(url: &Url, account: &ServiceAccount<'_>) -> Result<Self> {
        let mut options = Options::of(url, 443, &OPTION_KEYS)?;
        if url.hosts().next().is_none() {
            options.hosts = vec![own_cluster()?];
        }
        let is_plain = url.scheme() == Some("http") || url.flag("tls")? == Some(false);
        if !is_plain {
            let files = options.tls.get_or_insert_default();
            files.ca = files.ca.take().or_else(|| account.file("ca.crt"));
        }
        let namespace = match &*options.namespace {
            "" => account.namespace().unwrap_or_else(|| "default".into()),
            said => said.to_owned(),
        };
        if !is_label(&namespace) {
            return Err(Error::invalid_argument(format!(
                "namespace `{namespace}` is none of Kubernetes: at most 63 small letters, digits and `-`"
            )));
        }
        let pod = match url.query("pod") {
            Some(pod) => Some(pod),
            None => non_blank(env_var("HOSTNAME")?),
        };
        let pod = pod.filter(|pod| !pod.is_empty());
        if let Some(pod) = &pod
            && !pod.split('.').all(is_label)
            && url.query("pod").is_some()
        {
            return Err(Error::invalid_argument(format!(
                "`{pod}` is no name of a pod"
            )));
        }
        let known = [
            options.token.is_some(),
            options.user.is_some(),
            url.query("token-file").is_some(),
        ];
        if known.iter().filter(|known| **known).count() > 1 {
            return Err(Error::invalid_argument(
                "more than one of `token`, `token-file` and a user is given; leave one",
            ));
        }
        let token_file = url.query("token-file").map(Into::into);
        let token_file = token_file.or_else(|| account.token(is_plain));
        let identified = options.token.is_some() || options.user.is_some() || token_file.is_some();
        options.warn_of_plaintext(identified);
        let credentials = Credentials::new(options.token.clone(), token_file, options.user.clone());
        let credentials = Arc::new(credentials);
        let kind = kind(url)?;
        Ok(Config {
            options,
            namespace,
            pod,
            kind,
            credentials,
        })
    }
}

fn kind(url: &Url) -> Result<Source> {
    let is_switched = url.flag("endpoint-slices")?.unwrap_or(false);
    let by_switch = is_switched.then_some("endpointslices");
    let said = url.query("kind");
    match by_switch.or(said.as_deref()) {
        None | Some("pods") => match url.keys().find(|key| ["port", "protocol"].contains(key)) {
            None => Ok(Source::Pods),
            Some(key) => Err(Error::invalid_argument(format!(
                "`{key}` is for `kind=endpointslices`: a pod says it itself"
            ))),
        },
        Some("endpointslices") => Ok(Source::Slices(Port {
            port: url.query("port"),
            protocol: url.query("protocol"),
        })),
        Some(other) => Err(Error::invalid_argument(format!(
            "`kind={other}` is neither `pods` nor `endpointslices`"
        ))),
    }
}

/// The API server of the cluster of this process.
fn own_cluster() -> Result<String> {
    let host = non_blank(env_var("KUBERNETES_SERVICE_HOST")?).ok_or_else(|| {
        Error::invalid_argument(
            "this is no pod of a cluster; name the API server: `kubernetes:https://HOST:PORT`",
        )
    })?;
    let port = non_blank(env_var("KUBERNETES_SERVICE_PORT")?).unwrap_or_else(|| "443".into());
    Ok(match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    })
}

/// The folder of the service account.
struct ServiceAccount<'a>(&'a Path);

impl ServiceAccount<'_> {
    fn file(&self, name: &str) -> Option<PathBuf> {
        let file = self.0.join(name);
        file.exists().then_some(file)
    }

    fn namespace(&self) -> Option<String> {
        let text = fs::read_to_string(self.0.join("namespace")).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The token of the pod, only for TLS.
    fn token(&self, is_plain: bool) -> Option<PathBuf> {
        self.file("token").filter(|_| !is_plain)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end in a panic")]
mod tests {
    use std::env;

    use super::*;

    fn place(url: &str) -> Result<Config> {
        Config::of(&Url::parse(url))
    }

    #[test]
    fn cluster_is_called_over_tls_by_default() {
        let config = place("kubernetes://10.0.0.1?namespace=prod&pod=a-1").unwrap();
        assert_eq!(config.options.hosts, ["10.0.0.1:443"]);
        assert!(config.options.tls.is_some());
        assert_eq!(
            (&*config.namespace, config.pod.as_deref()),
            ("prod", Some("a-1"))
        );
        for plain in ["kubernetes:http://127.0.0.1:8001", "kubernetes://h?tls=no"] {
            assert!(
                super::Config::of(&Url::parse(plain))
                    .unwrap()
                    .options
                    .tls
                    .is_none()
            );
        }
    }

    #[test]
    fn pod_token_is_not_sent_in_plaintext() {
        let folder = env::temp_dir().join(format!("micro-account-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("token"), "secret").unwrap();
        let is_known = |url: &str| {
            let config = Config::in_pod(&Url::parse(url), &ServiceAccount(&folder)).unwrap();
            config.credentials.header().unwrap().is_some()
        };
        assert!(is_known("kubernetes://10.0.0.1"));
        assert!(!is_known("kubernetes:http://127.0.0.1:8001"));
        assert!(!is_known("kubernetes://10.0.0.1?tls=no"));
        let said = folder.join("token");
        let said = format!(
            "kubernetes:http://127.0.0.1:8001?token-file={}",
            said.display()
        );
        assert!(is_known(&said), "whoever says so means it");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn kind_is_set_by_either_option() {
        for slices in ["kind=endpointslices&port=grpc", "endpoint-slices=true"] {
            let kind = place(&format!("kubernetes://h?{slices}")).unwrap().kind;
            assert!(matches!(kind, Source::Slices(_)), "{slices}");
        }
        assert!(matches!(
            place("kubernetes://h?kind=pods").unwrap().kind,
            Source::Pods
        ));
    }

    #[test]
    fn invalid_option_is_quoted_in_the_error() {
        for (url, reason) in [
            ("kubernetes://h?kind=services", "`kind=services` is neither"),
            (
                "kubernetes://h?endpoint-slices=maybe",
                "`endpoint-slices=maybe`",
            ),
            (
                "kubernetes://h?port=80",
                "`port` is for `kind=endpointslices`",
            ),
            ("kubernetes://h?namespace=Prod", "namespace `Prod` is none"),
            ("kubernetes://h?pod=A/b", "`A/b` is no name of a pod"),
            ("kubernetes://h?pdo=a", "unknown key `pdo`"),
            ("kubernetes://h/prod", "`?namespace=prod`"),
            ("kubernetes://me@h?token=a", "more than one of"),
        ] {
            let error = place(url).err().unwrap().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
