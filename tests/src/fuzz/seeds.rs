//! Inputs written by hand: the examples of SPEC.md, and what somebody thought could hurt.

use crate::spec;

pub(super) fn lines() -> Vec<Vec<u8>> {
    let mut seeds = of(&["worker-call", "leader-call"]);
    seeds.extend(bytes(&[
        "",
        "\n\n\n",
        "hello",
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[7]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"nonce":7}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":["seven",{}]}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"nothing"}"#,
        r#"{"jsonrpc":"2.0","method":"steer","params":["x"]}"#,
        r#"{"jsonrpc":"2.0","id":0,"result":{"phase":"idle","unread":0,"seq":0}}"#,
        r#"{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":99999999999999999999,"result":1}"#,
        r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping","params":[7]}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping","params":[7]}]"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"subscribe","params":[0]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"unsubscribe","params":["x"]}"#,
        r#"{"jsonrpc":"2.0","method":"notice","params":{"subscription":1,"result":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping","method":"status","params":[7]}"#,
    ]));
    seeds
}

pub(super) fn log() -> Vec<Vec<u8>> {
    let mut seeds = of(&["board-fact", "mail-fact", "team-fact", "board-record"]);
    let header = r#"{"v":1,"log":"board","gen":1,"next_seq":1,"at_ms":1}"#;
    let task = r#"{"added":{"id":1,"task":{"work":{"run":"x"},"title":"x"}}}"#;
    let second = r#"{"added":{"id":2,"task":{"work":{"run":"x"},"title":"x","after":[1],"to":"alice"}}}"#;
    let claimed = r#"{"claimed":{"id":1,"owner":"alice","attempt":1}}"#;
    let whole = format!(
        "{header}\n{{\"v\":1,\"seq\":1,\"at_ms\":1,\"by\":\"lead\",\"facts\":[{task},{second}]}}\n\
         {{\"v\":1,\"seq\":2,\"at_ms\":1,\"by\":\"alice\",\"facts\":[{claimed}]}}\n"
    );
    let later = "{\"v\":1,\"log\":\"board\",\"gen\":2,\"next_seq\":5,\"at_ms\":1}\n\
         {\"v\":1,\"seq\":0,\"at_ms\":0,\"by\":\"lead\",\"facts\":[{\"numbered\":{\"last_id\":3}}]}\n\
         {\"snapshot\":{\"records\":1}}\n{\"sealed\":{\"gen\":3}}\n";
    seeds.push(whole.clone().into_bytes());
    seeds.push(whole.as_bytes()[..whole.len() - 9].to_vec());
    seeds.push(later.as_bytes().to_vec());
    for facts in [
        // Two that wait for each other, as no board would ever decide.
        r#"{"dependency_added":{"id":1,"on":2}}"#,
        r#"{"dependency_added":{"id":1,"on":1}}"#,
        r#"{"dependency_added":{"id":2,"on":1}}"#,
        r#"{"completed":{"id":1,"attempt":1,"result":"x"}},{"completed":{"id":1,"attempt":1,"result":"x"}}"#,
        r#"{"claimed":{"id":1,"owner":"bob","attempt":4294967295}}"#,
        r#"{"added":{"id":4294967295,"task":{"work":{"run":"x"},"title":"x"}}}"#,
        r#"{"added":{"id":0,"task":{"work":{"run":"x"},"title":"x","after":[0]}}}"#,
        r#"{"cleared":{"ids":[1,1,7]}}"#,
        r#"{"dependency_added":{"id":1,"on":99}}"#,
        r#"{"dependency_added":{"id":2,"on":1}},{"dependency_removed":{"id":2,"on":1}}"#,
        // Numbers that were given before, and standings that no board leaves.
        r#"{"added":{"id":1,"task":{"work":{"run":"y"},"title":"y","priority":1}}},{"cleared":{"ids":[1]}}"#,
        r#"{"waiting":{"name":"bob","auto":"on"}},{"completed":{"id":1,"attempt":1,"result":""}},{"retried":{"id":1}}"#,
        r#"{"completed":{"id":1,"attempt":1,"result":""}},{"cancelled":{"id":1}}"#,
        r#"{"completed":{"id":1,"attempt":1,"result":""}},{"claimed":{"id":1,"owner":"bob","attempt":2}}"#,
        r#"{"numbered":{"last_id":4294967295}}"#,
        r#"{"kept":{"id":1,"task":{"work":{"run":"x"},"title":"x","max_attempts":0},"added_ms":0,"added_by":"lead","status":{"in_progress":{"owner":"alice","since_ms":0}},"attempt":4294967295,"deaths":4294967295,"attempts":[]}}"#,
    ] {
        seeds.push(format!("{task},{second}\n{claimed}\n{facts}\n").into_bytes());
        seeds.push(format!("{task}\n{facts}\n{second}\n").into_bytes());
    }
    seeds
}

pub(super) fn plan() -> Vec<Vec<u8>> {
    bytes(&[
        "[[task]]\nid = \"build\"\nrun = \"make\"\n\n[[task]]\nid = \"test\"\nrun = \"make test\"\nafter = [\"build\"]\ntimeout = \"10m\"\n",
        "[[task]]\nprompt = \"\"\"\nWrite the notes.\n\"\"\"\ntitle = \"notes\"\nto = \"alice\"\nrole = \"writer\"\npriority = 5\n",
        "[[task]]\nid = \"a\"\nrun = \"x\"\nafter = [\"b\"]\n[[task]]\nid = \"b\"\nrun = \"x\"\nafter = [\"a\"]\n",
        "[[task]]\nrun = \"x\"\nprompt = \"y\"\nrnu = 3\ntimeout = \"10 parsecs\"\npriority = 99999999999\n",
        "[[task]]\nrun = \"x\"\ntimeout = \"18446744073709551615h\"\n",
        "task = 3\n",
        "[task]\nrun = \"x\"\n",
        "[[task]\n",
        r#"{"task":[{"id":"a","run":"make"},{"prompt":"go","after":["a"],"priority":-3,"timeout":"90s"}]}"#,
        r#"[{"run":"x"},{"run":"y","after":["1","1"]}]"#,
        r#"[{"run":"x","run":"y"}]"#,
        r#"{"task":null}"#,
        "\u{feff}[[task]]\nrun = 'x'\n",
        "",
    ])
}

pub(super) fn mail() -> Vec<Vec<u8>> {
    let bodies = spec::tagged("mail-body").into_iter().flat_map(|block| block.values());
    let mut seeds = Vec::new();
    for body in bodies {
        for (from, urgency) in [("lead", "now"), ("bob", "next"), ("lead", "idle")] {
            let message = serde_json::json!({
                "id": "01K9ZC6V3M8T4W5X6Y7Z8A9B0C", "from": from, "sent_ms": 2_000, "urgency": urgency, "body": body,
            });
            seeds.push(message.to_string().into_bytes());
        }
        // The same words as a text, which must stay one.
        seeds.push(body.to_string().into_bytes());
    }
    seeds.extend(bytes(&[
        "",
        " \n",
        "The parser is on my branch.",
        "line\r\nline\u{1b}[31m\u{202e}\u{0}",
        r#"{"id":"x","from":"lead","sent_ms":-1,"body":{"kind":"text"}}"#,
        r#"{"id":"01K9ZC6V3M8T4W5X6Y7Z8A9B0C","from":"bob","sent_ms":1,"body":{"kind":"dance","with":[]}}"#,
        r#"{"id":"7ZZZZZZZZZZZZZZZZZZZZZZZZZ","from":"lead","sent_ms":18446744073709551615,"body":{"kind":"abort_request","reason":""}}"#,
    ]));
    seeds
}

/// Each value of the blocks with these tags, and all of a tag together.
fn of(tags: &[&str]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for tag in tags {
        let values = spec::tagged(tag).into_iter().flat_map(|block| block.values());
        let lines: Vec<String> = values.map(|value| value.to_string()).collect();
        seeds.push(lines.join("\n").into_bytes());
        seeds.extend(lines.into_iter().map(String::into_bytes));
    }
    seeds
}

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
