//! [`Builder`]: options, and the way from `.proto` files to Rust files.

use std::{
    collections::BTreeSet,
    env, fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use prost_build::{Config, Module};
use prost_types::{FileDescriptorProto, FileDescriptorSet};

use crate::{
    Error, aliases, collisions, descriptors, google, names,
    polish::{self, polish},
    prepare::{Prepared, prepare},
    recursion,
    service::Traits,
    tree,
};

/// Compiles `.proto` files to Rust.
///
/// Protobuf paths are those of `prost-build`: `.` is everything, `.greeter.Hello` a message, `.greeter.Hello.name`
/// a field; a path without a leading dot is a suffix.
///
/// ```no_run
/// micro_build::Builder::new()
///     .include("proto")
///     .btree_map(".")
///     .type_attribute(".greeter.Reply", "#[derive(Eq)]")
///     .compile(&["proto/greeter.proto"])?;
/// # Ok::<(), micro_build::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing before `compile` or `generate`"]
pub struct Builder {
    includes: Vec<PathBuf>,
    out: Option<PathBuf>,
    btree_maps: Vec<String>,
    bytes: Vec<String>,
    attributes: Vec<(String, String)>,
    externs: Vec<(String, String)>,
    descriptors: bool,
}

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generated {
    /// The name, such as `greeter.rs`.
    pub name: String,
    /// The content.
    pub text: String,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            includes: Vec::new(),
            out: None,
            btree_maps: Vec::new(),
            bytes: Vec::new(),
            attributes: Vec::new(),
            externs: Vec::new(),
            descriptors: true,
        }
    }
}

impl Builder {
    /// Creates a builder with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a directory in which files and their imports are searched. Without any, a file's own directory is
    /// searched. Protobuf's own files, such as `google/protobuf/timestamp.proto`, are always found.
    pub fn include(mut self, directory: impl AsRef<Path>) -> Self {
        self.includes.push(directory.as_ref().to_owned());
        self
    }

    /// Writes into this directory instead of `OUT_DIR`.
    pub fn out_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.out = Some(directory.as_ref().to_owned());
        self
    }

    /// Generates the maps at a path as `BTreeMap` instead of `HashMap`.
    pub fn btree_map(mut self, path: impl Into<String>) -> Self {
        self.btree_maps.push(path.into());
        self
    }

    /// Generates the bytes at a path as `Bytes`, which are cheap to share, instead of `Vec<u8>`.
    pub fn bytes(mut self, path: impl Into<String>) -> Self {
        self.bytes.push(path.into());
        self
    }

    /// Adds an attribute to the types at a path.
    pub fn type_attribute(mut self, path: impl Into<String>, attribute: impl Into<String>) -> Self {
        self.attributes.push((path.into(), attribute.into()));
        self
    }

    /// Uses the types of a Rust module, such as `::shop::v1`, for the types at a path, such as `.shop.v1`, which are then
    /// not generated.
    pub fn extern_path(mut self, path: impl Into<String>, rust: impl Into<String>) -> Self {
        self.externs.push((path.into(), rust.into()));
        self
    }

    /// Sets whether modules with services have the constant `FILE_DESCRIPTOR_SET` for reflection. Default:
    /// `true`.
    pub fn descriptors(mut self, wanted: bool) -> Self {
        self.descriptors = wanted;
        self
    }

    /// Compiles files, and writes those whose text has changed; returns the paths of all. Without
    /// [`out_dir`](Self::out_dir), cargo is also told to watch the sources.
    ///
    /// # Errors
    /// An error in a file, with its position; or in reading and writing.
    pub fn compile(&self, protos: &[impl AsRef<Path>]) -> Result<Vec<PathBuf>, Error> {
        let protos = owned(protos);
        let set = self.read(&protos)?;
        let out = match &self.out {
            Some(out) => out.clone(),
            None => env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| {
                Error::new("`OUT_DIR` is not set; call this from a build script or give `out_dir`")
            })?,
        };
        fs::create_dir_all(&out).map_err(|error| Error::of_file(&out, &error))?;
        let mut paths = Vec::new();
        for file in self.write(&set, &protos)? {
            let path = out.join(&file.name);
            if fs::read_to_string(&path).map_or(true, |text| text != file.text) {
                fs::write(&path, file.text).map_err(|error| Error::of_file(&path, &error))?;
            }
            paths.push(path);
        }
        if self.out.is_none() {
            let watched = descriptors::sources(&set, &self.includes_of(&protos));
            tell_cargo(&watched).map_err(|error| Error::of_file(Path::new("stdout"), &error))?;
        }
        Ok(paths)
    }

    /// Returns the files that [`compile`](Self::compile) would write, sorted by name.
    ///
    /// # Errors
    /// Those of [`compile`](Self::compile).
    pub fn generate(&self, protos: &[impl AsRef<Path>]) -> Result<Vec<Generated>, Error> {
        let protos = owned(protos);
        self.write(&self.read(&protos)?, &protos)
    }

    fn read(&self, protos: &[PathBuf]) -> Result<FileDescriptorSet, Error> {
        descriptors::read(protos, &self.includes_of(protos))
    }

    fn includes_of(&self, protos: &[PathBuf]) -> Vec<PathBuf> {
        if !self.includes.is_empty() {
            return self.includes.clone();
        }
        let mut directories: Vec<PathBuf> = Vec::new();
        for proto in protos {
            let directory = match proto.parent() {
                Some(parent) if parent != Path::new("") => parent.to_owned(),
                _ => PathBuf::from("."),
            };
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
        directories
    }

    fn write(&self, set: &FileDescriptorSet, protos: &[PathBuf]) -> Result<Vec<Generated>, Error> {
        let plan = google::Plan::of(set);
        let prepared = prepare(set);
        let set_of_code = &prepared.set;
        let traits = names::Traits::of(set_of_code);
        collisions::check(set_of_code, &traits, |file, name| {
            plan.generates(file) && !self.is_elsewhere(&plan, name)
        })?;
        let needed = |file: &&FileDescriptorProto| plan.is_empty() || plan.keeps(file);
        let requests = set_of_code.file.iter().filter(needed).map(|file| {
            let module = Module::from_protobuf_package_name(file.package());
            (module, file.clone())
        });
        let modules = self
            .config(&prepared, &plan, traits)
            .generate(requests.collect())
            .map_err(|error| Error::new(error.to_string()))?;
        let mut modules: Vec<_> = modules.into_iter().collect();
        modules.sort();

        let without_package = protos
            .first()
            .map_or("proto", |proto| descriptors::stem(proto));
        let mut tree: Vec<_> = modules
            .iter()
            .map(|(module, _)| (module.clone(), module.to_file_name_or(without_package)))
            .collect();
        let guests = tree::guests(set_of_code, &tree);
        let mut shared = BTreeSet::new();
        if !guests.is_empty() {
            // A module then has items of two files, each of which may hide names of the other.
            for (_, code) in &modules {
                shared.extend(polish::names(code)?);
            }
        }
        let mut files = Vec::new();
        for ((module, code), (_, name)) in modules.iter().zip(&tree) {
            let parts: Vec<_> = module.parts().collect();
            let children = tree.iter().filter_map(|(other, _)| {
                let mut others = other.parts();
                let within = parts.iter().all(|part| others.next() == Some(*part));
                others.next().filter(|_| within).map(str::to_owned)
            });
            let given = polish::Given {
                hidden: shared.iter().cloned().chain(children).collect(),
                aliases: aliases::of(set_of_code, module),
                includes: guests
                    .iter()
                    .filter(|guest| guest.host == *module)
                    .map(|guest| (guest.path.clone(), guest.file.clone()))
                    .collect(),
            };
            let text = self.module(set, module, code, given)?;
            files.push(Generated {
                name: name.clone(),
                text,
            });
        }
        tree.retain(|(_, name)| guests.iter().all(|guest| guest.file != *name));
        if let Some(text) = tree::modules(&tree) {
            let text = format!("// @generated by micro-rs-build.\n\n{text}");
            files.push(Generated {
                name: "mod.rs".to_owned(),
                text,
            });
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = files.iter().find(|file| !names.insert(&file.name)) {
            return Err(Error::new(format!(
                "two packages are both `{}`; give files without a package one, or rename a package",
                twice.name
            )));
        }
        Ok(files)
    }

    /// The text of a package's module.
    fn module(
        &self,
        set: &FileDescriptorSet,
        module: &Module,
        code: &str,
        given: polish::Given,
    ) -> Result<String, Error> {
        let files = set
            .file
            .iter()
            .filter(|file| Module::from_protobuf_package_name(file.package()) == *module);
        let names: Vec<_> = files
            .clone()
            .map(|file| format!("`{}`", file.name()))
            .collect();
        let names = names.join(", ");
        let code = polish(code, given)?;
        let mut text = format!(
            "// @generated by micro-rs-build from {names}: change that, and generate this again.\n\n{code}"
        );
        let mut with_services = files.filter(|file| !file.service.is_empty());
        if self.descriptors
            && let Some(file) = with_services.next()
        {
            text.push('\n');
            text.push_str(&descriptors::constant(set, module, file.package()));
        }
        Ok(text)
    }

    /// Whether the type with a name is external.
    fn is_elsewhere(&self, plan: &google::Plan, name: &str) -> bool {
        let mut chosen = self.externs.iter().chain(&plan.externs);
        chosen.any(|(path, _)| {
            let rest = name.strip_prefix(path.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    fn config(&self, prepared: &Prepared, plan: &google::Plan, names: names::Traits) -> Config {
        let mut config = Config::new();
        config.service_generator(Box::new(Traits {
            descriptors: self.descriptors,
            names,
        }));
        config.btree_map(&self.btree_maps).bytes(&self.bytes);
        for (path, attribute) in &self.attributes {
            config.type_attribute(path, attribute);
        }
        for (path, rust) in &self.externs {
            config.extern_path(path, rust);
        }
        if !plan.is_empty() {
            config.compile_well_known_types();
            let chosen = |path: &str| self.externs.iter().any(|(other, _)| other == path);
            for (path, rust) in plan.externs.iter().filter(|(path, _)| !chosen(path)) {
                config.extern_path(path, rust);
            }
        }
        names::tell(prepared, &mut config);
        recursion::tell(&prepared.set, &mut config);
        config
    }
}

fn owned(paths: &[impl AsRef<Path>]) -> Vec<PathBuf> {
    paths.iter().map(|path| path.as_ref().to_owned()).collect()
}

/// Tells cargo to run the build script again if a source has changed, and only then.
fn tell_cargo(watched: &[PathBuf]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    watched
        .iter()
        .try_for_each(|path| writeln!(stdout, "cargo:rerun-if-changed={}", path.display()))
}
