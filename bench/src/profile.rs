//! The profile that this program was built by: figures are those of `dist`.

use anyhow::{Result, ensure};

/// The profile's directory in the target directory: `debug`, `release`, `dist` or that of a user's own profile.
pub(crate) const BUILT_BY: &str = env!("MICRO_BENCH_PROFILE");

/// Fails, with the command to use, unless `profile` is `dist`.
pub(crate) fn require_dist(profile: &str) -> Result<()> {
    ensure!(
        profile == "dist",
        "built by the profile `{profile}`, whose figures do not count; use \
         `cargo run --profile dist -p micro-rs-bench -- …`"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_profile_dist_may_measure() {
        require_dist("dist").expect("dist is what packages are built by");
        for profile in ["debug", "release", "unknown"] {
            let refused = require_dist(profile).expect_err("its figures do not count");
            let text = refused.to_string();
            assert!(text.contains(&format!("`{profile}`")), "{text}");
            assert!(text.contains("--profile dist"), "{text}");
        }
    }

    #[test]
    fn profile_is_that_of_this_build() {
        let own = std::env::current_exe().expect("a test has a path");
        let parts: Vec<_> = own.iter().filter_map(|part| part.to_str()).collect();
        assert!(parts.contains(&BUILT_BY), "`{BUILT_BY}` built {own:?}");
    }
}
