//! Who may import whom. A room is a folder of a crate; what lies in it may use the rooms below, and no two parts beside
//! each other may need each other, however many are between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the rooms of the same crate that it may import.
type RoomImports = (&'static str, &'static [&'static str]);

/// The rooms of each crate.
const ROOMS: &[(&str, &[RoomImports])] = &[
    (
        "protocol",
        &[
            ("model", &[]),
            ("host", &["model"]),
            ("git", &["model", "host"]),
            ("store", &["model", "host"]),
            ("wire", &["model", "host"]),
            ("team", &["model", "host", "store"]),
        ],
    ),
    (
        "worker",
        &[
            ("core", &[]),
            ("cell", &[]),
            ("driver", &["cell"]),
            ("hands", &["core", "driver"]),
            ("life", &["core", "cell", "driver", "hands"]),
        ],
    ),
    (
        "leader",
        &[
            ("warden", &[]),
            ("verb", &[]),
            ("core", &[]),
            ("git", &[]),
            ("daemon", &["core", "git", "warden"]),
            ("api", &["core", "daemon", "verb", "warden"]),
            ("ops", &["core", "daemon", "api", "git", "verb", "warden"]),
            ("front", &["ops", "verb"]),
        ],
    ),
];

/// A module by the names that lead to it from the root of its crate.
type ModulePath = Vec<String>;

/// The imports of one crate: each module of the product with the modules it names.
struct CrateImports {
    name: &'static str,
    imports: BTreeMap<ModulePath, BTreeSet<ModulePath>>,
}

#[test]
fn a_room_imports_only_the_rooms_below_it() {
    for (name, rooms) in ROOMS {
        let rooms: BTreeMap<&str, &[&str]> = rooms.iter().copied().collect();
        for (module, imported) in CrateImports::read(name).imports {
            let Some(own) = module.first() else { continue };
            let Some(below) = rooms.get(&**own) else {
                assert_eq!(module.len(), 1, "{name}/src/{own} is a room that the list does not know");
                continue;
            };
            for other in imported.iter().filter_map(|path| path.first()).filter(|other| *other != own) {
                let is_room = rooms.contains_key(&**other);
                assert!(
                    !is_room || below.contains(&&**other),
                    "{name}/src/{}.rs imports {other}, and {own} may import {below:?} alone",
                    module.join("/")
                );
            }
        }
    }
}

/// The wire only carries: a type of a decision over a store belongs to that decision.
#[test]
fn every_type_of_the_wire_is_in_a_call() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("protocol/src/wire");
    let mut files = vec![source.join("api.rs")];
    collect_files(&source.join("api"), &mut files);
    let text: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let (calls, types) = calls_and_types(&text.join("\n"));
    assert!(calls.len() > 1_000 && types.len() > 10, "the calls and types of the wire are not to be found");
    let unused = types_in_no_call(&calls, &types);
    assert!(
        unused.is_empty(),
        "protocol/src/wire: no call takes or answers {unused:?}; it belongs where it is decided on"
    );
}

/// A parent and its child may name each other: they are one thing in two files.
#[test]
fn no_two_modules_beside_each_other_need_each_other() {
    for (name, _) in ROOMS {
        let mut beside: BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (module, imported) in CrateImports::read(name).imports {
            for other in imported {
                let common = module.iter().zip(&other).take_while(|(left, right)| left == right).count();
                if let (Some(from), Some(to)) = (module.get(common), other.get(common)) {
                    let folder = beside.entry(module[..common].to_vec()).or_default();
                    folder.entry(from.clone()).or_default().insert(to.clone());
                }
            }
        }
        for (folder, needs) in beside {
            if let Some(circle) = circle_in(&needs) {
                panic!("{name}/src/{}: {} import each other in a circle", folder.join("/"), circle.join(" → "));
            }
        }
    }
}

#[test]
fn the_rules_see_an_import_however_it_is_written() {
    let text = "use super::{a::{self, B}, c};\n// use crate::comment::X;\npub use crate::room::deep::Name as Other;\n\
        fn f() { crate::inline::call(); }\n#[cfg(test)]\nmod tests {\n    use crate::only_tests::Y;\n}\n";
    let found: Vec<String> = named_paths(text).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["super::a::self", "super::a::B", "super::c", "crate::room::deep::Name", "crate::inline::call"]);
    let needs = |pairs: &[(&str, &str)]| {
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            needs.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        needs
    };
    let text = "#[rpc(server)]\npub trait Api {\n    fn ask(&self) -> One;\n}\npub struct One {\n    two: Two,\n}\npub enum Two {\n    \
        A,\n}\npub struct Three {\n    one: One,\n}\n";
    let (calls, types) = calls_and_types(text);
    assert_eq!(types_in_no_call(&calls, &types), ["Three"]);
    assert_eq!(circle_in(&needs(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(circle_in(&needs(&[("a", "b"), ("b", "c"), ("c", "b")])).unwrap(), ["b", "c", "b"]);
}

impl CrateImports {
    fn read(name: &'static str) -> CrateImports {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name).join("src");
        let mut files = Vec::new();
        collect_files(&source, &mut files);
        let modules: BTreeMap<ModulePath, PathBuf> =
            files.into_iter().map(|file| (module_of(file.strip_prefix(&source).unwrap()), file)).collect();
        assert!(modules.len() > 20, "{name} has few modules; is it looked for in the right place?");
        let imports = modules.iter().map(|(module, file)| {
            let paths = named_paths(&fs::read_to_string(file).unwrap());
            let named = paths.iter().filter_map(|path| resolve(path, module, &modules));
            (module.clone(), named.collect())
        });
        CrateImports { name, imports: imports.collect() }.checked()
    }

    /// A reader of imports that finds none would hold every rule.
    fn checked(self) -> CrateImports {
        let found: usize = self.imports.values().map(BTreeSet::len).sum();
        assert!(found > self.imports.len() / 2, "{}: {found} imports were found", self.name);
        self
    }
}

/// All Rust files below a directory, without those of unit tests.
fn collect_files(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let is_tests = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_tests {
            collect_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_tests {
            files.push(path);
        }
    }
}

fn module_of(file: &Path) -> ModulePath {
    let path = file.with_extension("");
    let names: ModulePath = path.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if matches!(&names[..], [root] if root == "lib" || root == "main") { Vec::new() } else { names }
}

/// The module that a path begins with, if it is one of the same crate and not the crate's root.
fn resolve(path: &[String], own: &ModulePath, modules: &BTreeMap<ModulePath, PathBuf>) -> Option<ModulePath> {
    let mut at = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => own.clone(),
        _ => return None,
    };
    let mut found = None;
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => {
                at.pop();
            }
            name => at.push(name.to_owned()),
        }
        if !modules.contains_key(&at) {
            break;
        }
        found = Some(at.clone());
    }
    found.filter(|module| !module.is_empty())
}

/// Every path that the code names and that begins with `crate`, `self` or `super`; one for each leaf of a `use`.
fn named_paths(text: &str) -> Vec<Vec<String>> {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = product.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = ["crate::", "self::", "super::"].iter().filter_map(|start| find_word(rest, start)).min() {
        let begun = &rest[at..];
        let is_use = rest[..at].trim_end().ends_with("use");
        let end =
            if is_use { begun.find(';') } else { begun.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') };
        let end = end.unwrap_or(begun.len());
        add_leaves(&begun[..end], &[], &mut paths);
        rest = &begun[end..];
    }
    paths
}

/// Where a word begins that is not the end of a longer one.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let begins = |at: &usize| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    text.match_indices(word).map(|(at, _)| at).find(begins)
}

/// Adds the leaves of a tree such as `a::{b, c::d as e}`.
fn add_leaves(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    let (stem, group) = match tree.split_once('{') {
        Some((stem, group)) => (stem, Some(group.trim_end().strip_suffix('}').unwrap_or(group))),
        None => (tree, None),
    };
    let stem = stem.split(" as ").next().unwrap_or_default();
    let names = stem.split("::").map(str::trim).filter(|name| !name.is_empty());
    let path: Vec<String> = before.iter().cloned().chain(names.map(str::to_owned)).collect();
    let Some(group) = group else {
        if !path.is_empty() {
            paths.push(path);
        }
        return;
    };
    let (mut depth, mut begin) = (0, 0);
    for (at, letter) in group.char_indices().chain([(group.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[begin..at].trim().is_empty() {
                    add_leaves(&group[begin..at], &path, paths);
                }
                begin = at + 1;
            }
            _ => {}
        }
    }
}

/// The text of the traits of calls, and each public type with its text.
fn calls_and_types(text: &str) -> (String, BTreeMap<String, String>) {
    let (mut calls, mut types) = (String::new(), BTreeMap::new());
    let mut lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    while let Some(line) = lines.next() {
        let Some((kind, named)) = line.strip_prefix("pub ").and_then(|item| item.split_once(' ')) else { continue };
        if !matches!(kind, "trait" | "struct" | "enum") {
            continue;
        }
        let name: String = named.chars().take_while(|letter| letter.is_alphanumeric()).collect();
        let rest: Vec<&str> = match line.ends_with([';', '}']) {
            true => Vec::new(),
            false => lines.by_ref().take_while(|line| *line != "}").collect(),
        };
        let whole = format!("{}\n{}\n", &named[name.len()..], rest.join("\n"));
        if kind == "trait" { calls.push_str(&whole) } else { drop(types.insert(name, whole)) }
    }
    (calls, types)
}

/// The types that neither a call names, nor a type that is in a call.
fn types_in_no_call(calls: &str, types: &BTreeMap<String, String>) -> Vec<String> {
    let (mut used, mut todo) = (BTreeSet::new(), vec![calls]);
    while let Some(text) = todo.pop() {
        for word in text.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
            if let Some((name, definition)) = types.get_key_value(word)
                && used.insert(name)
            {
                todo.push(definition);
            }
        }
    }
    types.keys().filter(|name| !used.contains(name)).cloned().collect()
}

/// One circle, from a name back to the same, if there is one.
fn circle_in(needs: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk<'a>(
        at: &'a str,
        needs: &'a BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(begin) = way.iter().position(|before| *before == at) {
            return Some(way[begin..].iter().chain([&at]).map(|name| (*name).to_owned()).collect());
        }
        if !done.contains(at) {
            way.push(at);
            for next in needs.get(at).into_iter().flatten() {
                if let Some(circle) = walk(next, needs, way, done) {
                    return Some(circle);
                }
            }
            way.pop();
            done.insert(at);
        }
        None
    }
    let mut done = BTreeSet::new();
    needs.keys().find_map(|start| walk(start, needs, &mut Vec::new(), &mut done))
}
