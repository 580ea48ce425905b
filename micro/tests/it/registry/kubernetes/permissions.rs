//! Who may do what, and what is said of the others.

use std::fs;

use micro::{Code, registry::Registry};
use serde_json::{Value, json};

use super::cluster::{Cluster, node};

const RULES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces";

impl Cluster {
    /// The token of a new service account.
    fn account(&self, name: &str) -> String {
        let account = json!({"metadata": {"name": name}});
        self.ask("POST", &self.path("serviceaccounts"), &account);
        let path = self.path(&format!("serviceaccounts/{name}/token"));
        let token = self.ask("POST", &path, &json!({"spec": {}}));
        token["status"]["token"].as_str().unwrap().to_owned()
    }

    /// Permits a service account something with pods.
    fn permit(&self, account: &str, verbs: &[&str]) {
        let namespace = &self.namespace;
        let name = verbs.join("-");
        let role = json!({
            "metadata": {"name": name},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}],
        });
        self.ask("POST", &format!("{RULES}/{namespace}/roles"), &role);
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        });
        self.ask(
            "POST",
            &format!("{RULES}/{namespace}/rolebindings"),
            &binding,
        );
    }
}

/// Permissions take a moment to count.
async fn soon<T>(mut what: impl AsyncFnMut() -> micro::Result<T>) -> T {
    let mut last = None;
    for _ in 0..100 {
        match what().await {
            Ok(done) => return done,
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{last:?}");
}

#[tokio::test]
async fn permission_that_is_missing_is_named() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    cluster.pod("one");
    let token = cluster.account("micro");
    let registry = cluster.registry(&format!("&pod=one&token={token}"));
    let error = registry.get("greeter").await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
    assert!(
        error.to_string().contains("permission `list` is missing"),
        "{error}"
    );
    assert!(
        error.to_string().contains("cannot list resource \"pods\""),
        "{error}"
    );
    assert!(!error.to_string().contains(&token));

    cluster.permit("micro", &["list"]);
    soon(async || registry.get("greeter").await).await;
    let error = registry
        .register(&node("greeter", 1), None)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("permission `patch` is missing"),
        "{error}"
    );

    cluster.permit("micro", &["patch", "watch"]);
    soon(async || registry.register(&node("greeter", 1), None).await).await;
    registry.deregister(&node("greeter", 1)).await.unwrap();
}

#[tokio::test]
async fn who_is_not_known_is_told_what_to_give() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let error = cluster.registry("&token=wrong").list().await.unwrap_err();
    assert_eq!(error.code(), Code::Unauthenticated);
    assert!(
        error.to_string().contains("give `token` or `token-file`"),
        "{error}"
    );
    let missing = cluster
        .registry("&token-file=/none")
        .list()
        .await
        .unwrap_err();
    assert!(
        missing
            .to_string()
            .contains("token file `/none` cannot be read"),
        "{missing}"
    );
}

#[tokio::test]
async fn token_that_was_renewed_is_read_again() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let file = std::env::temp_dir().join(format!("{}.token", cluster.namespace));
    let token = cluster.account("micro");
    cluster.permit("micro", &["list"]);
    fs::write(&file, &token).unwrap();
    let registry = cluster.registry(&format!("&token-file={}", file.display()));
    soon(async || registry.list().await).await;
    // The account is made anew, so that its old token is worth nothing.
    let path = cluster.path("serviceaccounts/micro");
    cluster.ask("DELETE", &path, &Value::Null);
    let token = cluster.account("micro");
    fs::write(&file, &token).unwrap();
    soon(async || registry.list().await).await;
    fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn server_of_another_authority_is_not_used() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let key = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    let file = std::env::temp_dir().join(format!("{}.pem", cluster.namespace));
    fs::write(&file, key.cert.pem()).unwrap();
    let registry = cluster.registry(&format!("&tls-ca={}", file.display()));
    let error = registry.list().await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(
        error.to_string().contains("TLS handshake failed"),
        "{error}"
    );
    fs::remove_file(&file).unwrap();
}
