//! URLs of plugins: each part is read by the plugin, or refused.

use micro::{Code, Plugins};

use super::said;

fn refused(arguments: &[&str]) -> String {
    let settings = said(&[], arguments).unwrap();
    let error = settings.apply(Plugins::new()).err();
    let error = error.unwrap_or_else(|| panic!("{arguments:?} is taken"));
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    error.message().to_owned()
}

#[test]
fn part_of_a_url_that_nobody_reads_is_an_error() {
    for (argument, expected) in [
        ("--registry=local:/a?namespace=b&namespace=c", "given twice"),
        ("--registry=memory://h", "takes no address"),
        ("--registry=static:a=h:1?namespace=b", "has no namespaces"),
        ("--registry=static:a=http://h:1", "has a scheme"),
        ("--selector=default:x", "takes no address"),
        ("--selector=p2c:x", "takes no address"),
        ("--transport=grpc://h", "takes no address"),
        ("--broker=direct:h:1,g:1", "listens at one address"),
        ("--broker=memory:h", "takes no address"),
        #[cfg(feature = "http")]
        ("--broker=http://h:1/path", "does not read the path `/path`"),
        #[cfg(feature = "http")]
        ("--broker=http://h:1,g:1", "listens at one address"),
        #[cfg(feature = "http")]
        ("--broker=http://h:1?styl=v2", "unknown key `styl`"),
        #[cfg(feature = "http")]
        ("--broker=http://me@h:1", "takes no user"),
        #[cfg(feature = "etcd")]
        ("--registry=etcd://h/prod", "`?namespace=prod`"),
        #[cfg(feature = "etcd")]
        ("--registry=etcd://h#prod", "write `%23`"),
        #[cfg(feature = "etcd")]
        (
            "--registry=etcd://h?namespce=prod",
            "unknown key `namespce`",
        ),
        #[cfg(feature = "etcd")]
        ("--registry=etcd:http://h,http://g", "write the scheme once"),
        #[cfg(feature = "etcd")]
        ("--registry=etcd://me@h?token=a", "leave one out"),
        #[cfg(feature = "nats")]
        ("--registry=nats://h/prod", "`?namespace=prod`"),
        #[cfg(feature = "consul")]
        ("--registry=consul://h/prod", "`?namespace=prod`"),
        #[cfg(feature = "kubernetes")]
        ("--registry=kubernetes://h/prod", "`?namespace=prod`"),
        #[cfg(feature = "zookeeper")]
        ("--registry=zookeeper://h/a?token=b", "takes no token"),
        #[cfg(feature = "dns")]
        ("--registry=dns://me@10.0.0.1/a", "takes no user"),
        #[cfg(feature = "mdns")]
        ("--registry=mdns:micro/x", "does not read the path"),
        #[cfg(feature = "mdns")]
        (
            "--registry=mdns:micro?namespace=x",
            "unknown key `namespace`",
        ),
        #[cfg(feature = "mdns")]
        ("--registry=mdns:a,,b", "not the name of a domain"),
    ] {
        let refused = refused(&[argument]);
        assert!(refused.contains(expected), "{argument}: {refused}");
    }
}

#[cfg(feature = "etcd")]
#[tokio::test]
async fn what_is_in_front_of_the_hosts_counts_before_what_is_beside() {
    for arguments in [
        &["--registry=etcd://me:word@h", "--registry-user=you"][..],
        &["--registry=etcd://me@h", "--registry-password=word"],
        &["--registry= etcd://h1, h2 ", "--registry-user=me"],
    ] {
        let settings = said(&[], arguments).unwrap();
        assert!(settings.apply(Plugins::new()).is_ok(), "{arguments:?}");
    }
}
