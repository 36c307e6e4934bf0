//! Mail from and to the command line.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::place::{Place, said};

#[test]
fn mail_is_read_once_it_was_shown_and_only_by_its_reader() {
    let place = Place::new();
    let alice = place.enroll("alice");
    place.enroll("bob");
    assert_eq!(place.ok("inbox"), "no mail; members write to lead");
    let sent = place.json("dm alice --urgent look at this");
    let id = sent["text"].as_str().expect("its id").to_owned();
    assert_eq!(
        (&sent["name"], &sent["state"], &sent["delivered"][0]["id"]),
        (&"alice".into(), &Value::Null, &sent["text"])
    );
    let said = place.ok("dm alice --urgent look at this");
    let (said, shown) = said.rsplit_once(' ').expect("the id is the last word");
    insta::assert_snapshot!(said, @"in the mailbox of alice, where it waits until alice runs; no agent reads it, because alice runs commands only: unread,");
    assert_eq!((shown.len(), shown == id), (id.len(), false), "each message has its own");
    insta::assert_snapshot!(place.ok("broadcast main is frozen"), @"
    in the mailbox of alice, where it waits until alice runs; no agent reads it, because alice runs commands only
    in the mailbox of bob, where it waits until bob runs; no agent reads it, because bob runs commands only
    ");
    for _ in 0..2 {
        let mail = place.json("inbox alice");
        let read: Vec<&Value> = mail["messages"].as_array().expect("a list").iter().map(|m| &m["read"]).collect();
        assert_eq!(read, [&Value::Bool(false); 3], "a look at a member's mail marks nothing");
    }
    place.write_to_lead(&alice, "which branch?");
    assert_eq!(place.json("inbox --peek")["messages"][0]["read"], false);
    assert_eq!(place.json("inbox")["messages"][0]["read"], false, "a look does not mark it");
    assert_eq!(place.json("inbox")["messages"][0]["read"], true, "what was shown counts as read");
    let unknown = place.fails(1, "dm alcie hello");
    insta::assert_snapshot!(unknown, @"
    error: there is no member alcie
      hint: did you mean alice?
    ");
    let empty = place.run_words(&["dm", "alice", " "]);
    assert_eq!((empty.code, empty.err.as_str()), (Some(2), "error: a message needs a text\n"));
}

#[test]
fn a_broadcast_that_not_all_got_says_who_did_not() {
    let place = Place::new();
    for name in ["alice", "bob", "cy"] {
        place.enroll(name);
    }
    let bobs = place.team_dir().mailbox(&"bob".parse().expect("a name"));
    fs::write(bobs, "damaged\n").expect("it is there");
    let said = place.run("broadcast main is frozen");
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    insta::assert_snapshot!(place.plain(&said.out), @"
    in the mailbox of alice, where it waits until alice runs; no agent reads it, because alice runs commands only
    in the mailbox of cy, where it waits until cy runs; no agent reads it, because cy runs commands only
    not safely in the mailbox of bob: /t/root/crew/mail/bob.jsonl:1: not the header of a log: expected value; try again with teamster dm bob
    ");
    let said = place.run("broadcast --json again");
    let told: Value = serde_json::from_str(&said.out).expect("an object");
    assert_eq!((said.code, &told["failed"][0]["to"]), (Some(1), &Value::from("bob")));
    assert_eq!(told["delivered"].as_array().map(Vec::len), Some(2));
}

#[test]
fn mail_that_nobody_could_see_stays_unread() {
    let place = Place::new();
    let alice = place.enroll("alice");
    place.write_to_lead(&alice, "are you there?");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let said = said(place.command(&["inbox"]).stdout(writer).stderr(Stdio::piped()).output().expect("it runs"));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "a closed pipe is no failure");
    assert_eq!(place.json("inbox")["messages"][0]["read"], false);
}
