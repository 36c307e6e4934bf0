//! Repositories that libgit2 would harm: made, looked at, removed and restored through the git program.

use std::fs;
use std::path::Path;

use super::super::{EngineUsed, GitError, RemovalCare, Repository, WhyProgram, WorktreeOrigin, WorktreeSpec, registry};
use super::{BRANCH, Scene, git, is_program};

/// The whole life of a worktree, with what is particular to the repository checked by the caller.
fn live(scene: &Scene, repository: &Repository, why: &WhyProgram) {
    let spec = scene.spec();
    let made = repository.ensure_worktree(&spec).unwrap();
    assert_eq!(made.engine, EngineUsed::GitProgram(why.clone()));
    assert_eq!(made.origin, WorktreeOrigin::Created);
    scene.assert_complete();
    assert_eq!(repository.ensure_worktree(&spec).unwrap().origin, WorktreeOrigin::Found);
    assert!(repository.holdings(&spec.place, BRANCH).unwrap().is_empty());

    fs::write(scene.tree().join("work.txt"), "work\n").unwrap();
    scene.commit(&scene.tree(), "work");
    assert_eq!(repository.branch_summary(BRANCH, None).unwrap().unwrap().ahead, 1);
    fs::write(scene.tree().join("readme.txt"), "changed\n").unwrap();
    fs::write(scene.tree().join("untracked.txt"), "untracked\n").unwrap();
    let holdings = repository.holdings(&spec.place, BRANCH).unwrap();
    assert_eq!((holdings.changes.len(), holdings.unmerged.len()), (2, 1), "{holdings}");
    let refused = repository.remove_worktree(&spec.place, BRANCH, RemovalCare::IfSafe).unwrap_err();
    assert!(matches!(refused, GitError::WorktreeHolds { .. }), "{refused}");

    let removed = repository.remove_worktree(&spec.place, BRANCH, RemovalCare::KeepingUnderRef).unwrap();
    let kept = removed.kept.unwrap();
    let restored = scene.root().join("restored");
    let common = repository.common_dir();
    git(common, &["worktree", "add", "--quiet", "--detach", restored.to_str().unwrap(), &kept.reference]);
    for (name, text) in [("work.txt", "work\n"), ("readme.txt", "changed\n"), ("untracked.txt", "untracked\n")] {
        assert_eq!(fs::read_to_string(restored.join(name)).unwrap(), text);
    }
    git(common, &["worktree", "remove", "--force", restored.to_str().unwrap()]);
    assert_eq!(git(common, &["for-each-ref", "refs/heads/teamster"]), "");
    assert!(!scene.tree().exists());
}

fn resume(scene: &Scene, repository: &Repository) {
    let spec = scene.spec();
    let registered = |steps: usize| {
        let tree = scene.tree();
        let path = tree.to_str().unwrap();
        let add =
            ["worktree", "add", "--quiet", "--no-checkout", "--detach", "--lock", "--reason", registry::MAKING, path];
        git(repository.top_level(), &[&add[..], &["HEAD"]].concat());
        let admin = registry::find(repository.common_dir(), &tree).unwrap().unwrap().admin;
        if steps > 0 {
            git(&tree, &["symbolic-ref", "HEAD", &format!("refs/heads/{BRANCH}")]);
        }
        if steps > 1 {
            git(repository.common_dir(), &["update-ref", &format!("refs/heads/{BRANCH}"), "HEAD"]);
        }
        if steps > 2 {
            fs::write(tree.join("readme.txt"), "hel").unwrap();
            fs::write(admin.join("index.lock"), "").unwrap();
        }
        admin
    };
    for steps in 0..4 {
        registered(steps);
        assert_eq!(repository.ensure_worktree(&spec).unwrap().origin, WorktreeOrigin::Resumed, "after {steps} steps");
        scene.assert_complete();
        repository.remove_worktree(&spec.place, BRANCH, RemovalCare::IfSafe).unwrap();
    }
    // Git was killed amid its own registration.
    let admin = registered(0);
    fs::remove_file(admin.join("commondir")).unwrap();
    assert_eq!(repository.ensure_worktree(&spec).unwrap().origin, WorktreeOrigin::Created);
    scene.assert_complete();
    repository.remove_worktree(&spec.place, BRANCH, RemovalCare::IfSafe).unwrap();
}

#[test]
fn files_go_through_filters() {
    let scene = Scene::new();
    scene.git(&["config", "filter.upper.clean", "tr a-z A-Z"]);
    scene.git(&["config", "filter.upper.smudge", "tr A-Z a-z"]);
    scene.write("src/.gitattributes", "*.up filter=upper\n");
    scene.write("src/x.up", "quiet\n");
    scene.commit(&scene.repo(), "filtered");
    assert_eq!(scene.git(&["show", "HEAD:src/x.up"]), "QUIET");
    let why = WhyProgram::Filter("upper".to_owned());
    live(&scene, &scene.repository(), &why);
    resume(&scene, &scene.repository());

    scene.ensure();
    assert_eq!(fs::read_to_string(scene.tree().join("src/x.up")).unwrap(), "quiet\n");
    fs::write(scene.tree().join("src/x.up"), "changed\n").unwrap();
    let kept = scene.repository().remove_worktree(&scene.place("alice"), BRANCH, RemovalCare::KeepingUnderRef);
    let reference = kept.unwrap().kept.unwrap().reference;
    assert_eq!(scene.git(&["show", &format!("{reference}:src/x.up")]), "CHANGED");
}

#[test]
fn a_filter_that_is_not_configured_or_not_used_needs_no_program() {
    let scene = Scene::new();
    scene.write(".gitattributes", "*.bin filter=nobody\n# *.txt filter=upper\n");
    scene.commit(&scene.repo(), "attributes");
    scene.git(&["config", "filter.upper.clean", "tr a-z A-Z"]);
    assert!(!is_program(&scene.ensure()));
}

#[test]
fn files_keep_their_encoding() {
    let scene = Scene::new();
    let utf16: Vec<u8> = "\u{feff}hi\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    scene.write(".gitattributes", "*.utf16 working-tree-encoding=UTF-16\n");
    fs::write(scene.repo().join("x.utf16"), &utf16).unwrap();
    scene.commit(&scene.repo(), "encoded");
    live(&scene, &scene.repository(), &WhyProgram::WorkingTreeEncoding);
}

#[test]
fn a_sparse_checkout_stays_sparse_and_loses_nothing() {
    let scene = Scene::new();
    fs::create_dir(scene.repo().join("docs")).unwrap();
    scene.write("docs/big.txt", "big\n");
    scene.commit(&scene.repo(), "docs");
    for index in ["--no-sparse-index", "--sparse-index"] {
        scene.git(&["sparse-checkout", "set", "--cone", index, "src"]);
        live(&scene, &scene.repository(), &WhyProgram::SparseCheckout);
        scene.ensure();
        assert!(scene.tree().join("src/main.txt").exists() && !scene.tree().join("docs").exists());
        fs::write(scene.tree().join("new.txt"), "new\n").unwrap();
        let kept = scene.repository().remove_worktree(&scene.place("alice"), BRANCH, RemovalCare::KeepingUnderRef);
        let reference = kept.unwrap().kept.unwrap().reference;
        assert_eq!(scene.git(&["show", &format!("{reference}:docs/big.txt")]), "big");
    }
    resume(&scene, &scene.repository());
}

#[test]
fn objects_named_by_sha256() {
    let scene = Scene::with(&["--object-format=sha256"]);
    let why = WhyProgram::ObjectFormat("sha256".to_owned());
    live(&scene, &scene.repository(), &why);
    resume(&scene, &scene.repository());
    let spec = WorktreeSpec { base: Some("nowhere".to_owned()), ..scene.spec() };
    assert!(matches!(scene.refused(&spec), GitError::UnknownBase { .. }));
    scene.git(&["branch", BRANCH]);
    assert!(matches!(scene.refused(&scene.spec()), GitError::BranchExists { .. }));

    let unborn = Scene::empty(&["--object-format=sha256"]);
    assert!(matches!(unborn.refused(&unborn.spec()), GitError::NoCommit { .. }));
}

#[test]
fn refs_in_a_reftable() {
    let scene = Scene::with(&["--ref-format=reftable"]);
    live(&scene, &scene.repository(), &WhyProgram::RefFormat("reftable".to_owned()));
    resume(&scene, &scene.repository());
    scene.git(&["branch", BRANCH]);
    scene.git(&["checkout", "--quiet", BRANCH]);
    assert!(matches!(scene.refused(&scene.spec()), GitError::BranchCheckedOut { .. }));
}

#[test]
fn a_repository_whose_path_has_a_newline() {
    for options in [&[][..], &["--object-format=sha256"]] {
        let scene = Scene::named("two\nlines", options);
        let (repository, spec) = (scene.repository(), scene.spec());
        let made = repository.ensure_worktree(&spec).unwrap();
        assert_eq!(is_program(&made), !options.is_empty());
        scene.assert_complete();
        assert_eq!(repository.ensure_worktree(&spec).unwrap().origin, WorktreeOrigin::Found);
        assert_eq!(Repository::discover(&scene.tree()).unwrap().common_dir(), repository.common_dir());
        fs::write(scene.tree().join("new\nfile"), "new").unwrap();
        let holdings = repository.holdings(&spec.place, BRANCH).unwrap();
        assert_eq!(holdings.changes.len(), 1, "{holdings}");
        let removed = repository.remove_worktree(&spec.place, BRANCH, RemovalCare::KeepingUnderRef).unwrap();
        let kept = removed.kept.unwrap().reference;
        assert_eq!(scene.git(&["show", &format!("{kept}:new\nfile")]), "new");
        scene.assert_nothing_left();
    }
}

#[test]
fn a_partial_clone_fetches_what_it_needs() {
    let scene = Scene::new();
    scene.git(&["config", "uploadpack.allowFilter", "true"]);
    scene.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let url = format!("file://{}", scene.repo().display());
    let clone = scene.root().join("clone");
    scene.git(&["clone", "--quiet", "--no-checkout", "--filter=blob:none", &url, clone.to_str().unwrap()]);
    configure(&clone);
    let repository = Repository::discover(&clone).unwrap();
    live(&scene, &repository, &WhyProgram::PartialClone);
}

#[test]
fn configurations_that_need_the_program() {
    for (settings, why) in [
        (vec![["core.splitIndex", "true"]], WhyProgram::SplitIndex),
        (vec![["worktree.useRelativePaths", "true"]], WhyProgram::RelativeWorktrees),
        (
            vec![["core.repositoryFormatVersion", "1"], ["extensions.worktreeConfig", "true"]],
            WhyProgram::WorktreeConfig,
        ),
    ] {
        let scene = Scene::new();
        for [name, value] in settings {
            scene.git(&["config", name, value]);
        }
        live(&scene, &scene.repository(), &why);
    }
}

#[test]
fn without_the_program_it_is_refused_and_nothing_is_made() {
    let scene = Scene::with(&["--object-format=sha256"]);
    let mut repository = scene.repository();
    repository.program = "/nonexistent/git".into();
    let error = repository.ensure_worktree(&scene.spec()).unwrap_err();
    let expected = format!(
        "{} needs the git program (its objects are named by sha256), and `/nonexistent/git` does not run: \
         No such file or directory (os error 2)",
        scene.repo().display()
    );
    assert_eq!(error.to_string(), expected);
    scene.assert_nothing_left();
}

fn configure(dir: &Path) {
    git(dir, &["config", "user.name", "Test"]);
    git(dir, &["config", "user.email", "test@localhost"]);
}
