//! Making room: when the context fills, a summary takes the place of the conversation, with the texts of the turn that runs
//! after it. Who the agent is stands before every call of the model, and is not forgotten.

use genai::chat::{ChatMessage, ChatRequest, ChatRole, ContentPart};

use crate::limits::SUMMARY_TEXT_BYTES_MAX;

/// What the model is told that writes the summary.
const ASK: &str = "Write down what the one who goes on with this work has to know: what was asked for, what was done and \
found out, with the names of files, and what is still to be done. Write the summary and nothing else.";

/// Asks for a summary. No tool is offered, and of what was said no text is longer than is needed.
pub(crate) fn summary_request(messages: &[ChatMessage], bytes_max: usize) -> ChatRequest {
    let mut told: Vec<String> = messages.iter().flat_map(told_parts).collect();
    // The oldest go first if there is too much: a summary of an earlier compaction is the first text, and stays.
    let mut bytes: usize = told.iter().map(String::len).sum();
    while bytes > bytes_max && told.len() > 2 {
        bytes -= told.remove(1).len();
    }
    let text = format!("{ASK}\n\n<conversation>\n{}</conversation>", told.concat());
    ChatRequest::from_system("You keep the books of a coding agent.").append_message(ChatMessage::user(text))
}

/// The conversation after it: the summary, and what the user says in this turn.
pub(crate) fn compacted(summary: &str, of_turn: &[String]) -> Vec<ChatMessage> {
    let mut text = format!("[The conversation was long. This is what it came to:]\n{summary}\n");
    if !of_turn.is_empty() {
        text.push_str(&format!("\n[Go on with what is asked of you now:]\n{}\n", of_turn.join("\n\n")));
    }
    vec![ChatMessage::user(text)]
}

fn told_parts(message: &ChatMessage) -> Vec<String> {
    let who = match message.role {
        ChatRole::System => "system",
        ChatRole::User => "user",
        ChatRole::Assistant => "agent",
        ChatRole::Tool => "tool",
    };
    let parts = message.content.parts().iter().filter_map(|part| match part {
        ContentPart::Text(text) => Some(text.clone()),
        ContentPart::ToolCall(call) => Some(format!("calls {} {}", call.fn_name, call.fn_arguments)),
        ContentPart::ToolResponse(response) => Some(response.content.clone()),
        // What it thought, and what only a provider can read.
        _ => None,
    });
    parts.map(|text| format!("{who}: {}\n", cut(&text))).collect()
}

fn cut(text: &str) -> String {
    if text.len() <= SUMMARY_TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let half = SUMMARY_TEXT_BYTES_MAX / 2;
    let (head, tail) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    format!("{}\n[…]\n{}", &text[..head], &text[tail..])
}

#[cfg(test)]
mod tests {
    use genai::chat::ToolResponse;

    use super::*;

    fn asked(messages: &[ChatMessage], bytes_max: usize) -> String {
        let request = summary_request(messages, bytes_max);
        assert!(request.tools.is_none());
        request.messages[0].content.joined_texts().expect("a text")
    }

    #[test]
    fn a_summary_is_asked_for_with_what_was_said_and_bounded() {
        let messages = [
            ChatMessage::user("first"),
            ChatMessage::assistant("second"),
            ChatMessage::from(ToolResponse::new("c", "ä".repeat(SUMMARY_TEXT_BYTES_MAX))),
        ];
        let text = asked(&messages, 1 << 20);
        assert!(text.contains("user: first\nagent: second\ntool: ä"), "{text}");
        assert!(text.contains("[…]") && text.len() < SUMMARY_TEXT_BYTES_MAX + 600, "{}", text.len());
        let short = asked(&messages, SUMMARY_TEXT_BYTES_MAX);
        assert!(short.contains("user: first") && !short.contains("agent: second"), "the oldest but the first go");
    }

    #[test]
    fn what_the_turn_is_about_stands_after_the_summary_word_for_word() {
        let after = compacted("41 files", &["count on".to_owned(), "and fast".to_owned()]);
        let text = after[0].content.joined_texts().expect("a text");
        assert!(text.contains("41 files\n") && text.ends_with("count on\n\nand fast\n"), "{text}");
    }
}
