//! Real servers, started by the script `tests/backends` in a directory of this run.

use super::backend::Backend;
use anyhow::{Context as _, Result, bail};
use std::{
    env, fs,
    io::{Write as _, stderr},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

/// The servers of a backend, stopped and deleted on drop.
pub(crate) struct Servers {
    script: PathBuf,
    directory: PathBuf,
    backend: &'static Backend,
}

impl Servers {
    pub(crate) fn new(backend: &'static Backend) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/backends");
        let script = script
            .canonicalize()
            .context("`tests/backends` is missing")?;
        let name = format!("micro-bench-{}-{}", std::process::id(), backend.name);
        let directory = env::temp_dir().join(name);
        fs::create_dir_all(&directory)?;
        Ok(Servers {
            script,
            directory,
            backend,
        })
    }

    /// The name of the single server, or of the cluster.
    pub(crate) fn name(&self, cluster: bool) -> &'static str {
        match self.backend.cluster {
            Some(name) if cluster => name,
            _ => self.backend.name,
        }
    }

    /// Starts or resumes a server with its data, and waits until it is ready.
    pub(crate) async fn up(&self, name: &str) -> Result<()> {
        self.call(&["up", name]).await.map(drop)
    }

    /// Starts a server without data.
    pub(crate) async fn up_empty(&self, name: &str) -> Result<()> {
        self.call(&["up", "--empty", name]).await.map(drop)
    }

    pub(crate) async fn down(&self, name: &str) -> Result<()> {
        self.call(&["down", "--keep", name]).await.map(drop)
    }

    /// A signal by its name, such as `KILL`.
    pub(crate) async fn signal(&self, name: &str, signal: &str) -> Result<()> {
        self.call(&["kill", name, signal]).await.map(drop)
    }

    /// The leader of a cluster.
    pub(crate) async fn leader(&self, name: &str) -> Result<String> {
        Ok(self.call(&["leader", name]).await?.trim().to_owned())
    }

    /// The addresses of a running server, separated by commas.
    pub(crate) async fn addresses(&self, name: &str) -> Result<String> {
        let variables = self.call(&["env", name]).await?;
        let variable = format!("export MICRO_TEST_{}=", name.to_uppercase());
        let line = variables
            .lines()
            .find_map(|line| line.strip_prefix(&variable));
        Ok(line
            .with_context(|| format!("no address of `{name}`"))?
            .to_owned())
    }

    async fn call(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.script)
            .args(arguments)
            .env("MICRO_BACKENDS_DIR", &self.directory)
            .stdin(Stdio::null())
            .output()
            .await?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("tests/backends {}: {}", arguments.join(" "), stderr.trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let down = std::process::Command::new(&self.script)
            .arg("down")
            .env("MICRO_BACKENDS_DIR", &self.directory)
            .stdout(Stdio::null())
            .status();
        match down {
            Ok(status) if status.success() => drop(fs::remove_dir_all(&self.directory)),
            _ => {
                let directory = self.directory.display();
                let _ = writeln!(stderr(), "servers may still run in {directory}");
            }
        }
    }
}
