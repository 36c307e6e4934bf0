//! The build script that finds the commit for `--version`, on repositories of each kind that it may meet.

use std::path::Path;

use teamster_tests::hermetic::Sandbox;

#[expect(dead_code, reason = "of a build script the test needs one function")]
#[path = "../../protocol/build/commit.rs"]
mod script;

#[test]
fn a_build_is_named_after_the_commit_that_is_checked_out() {
    let sandbox = Sandbox::new();
    let project = sandbox.repository("project");
    let head = |dir: &Path| sandbox.git(dir, &["rev-parse", "--short=7", "HEAD"]).trim().to_owned();
    let first = head(&project);
    assert_eq!(script::commit(&project), Some(first.clone()));

    sandbox.git(&project, &["commit", "--quiet", "--allow-empty", "--message=second"]);
    let second = script::commit(&project).expect("there is a commit");
    assert_eq!((&second, second != first), (&head(&project), true));

    let linked = sandbox.work().join("linked");
    let path = linked.to_str().expect("a path of plain letters");
    sandbox.git(&project, &["worktree", "add", "--quiet", "--detach", path, &first]);
    assert_eq!(script::commit(&linked), Some(first), "a worktree has a commit of its own");
}

#[test]
fn a_build_without_a_commit_of_its_own_names_none() {
    let sandbox = Sandbox::new();
    assert_eq!(script::commit(&sandbox.work()), None, "there is no repository");

    let project = sandbox.repository("project");
    let unpacked = project.join("vendored");
    std::fs::create_dir(&unpacked).expect("a folder");
    assert_eq!(script::commit(&unpacked), None, "the repository around it is somebody else's");

    sandbox.git(&sandbox.work(), &["init", "--quiet", "new"]);
    assert_eq!(script::commit(&sandbox.work().join("new")), None, "there is no commit yet");
    assert_eq!(script::commit(Path::new("/nonexistent")), None);
}
