//! The model: its provider, its key, and one call of it, streamed. Nothing else here knows the crate `genai` as more than the
//! types of a conversation.

use futures_util::StreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{
    CacheControl, ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, ReasoningEffort, StopReason, ToolCall,
};
use genai::resolver::{AuthData, Endpoint, ProviderConfig};
use genai::{Client, ModelIden};
use teamster_protocol::host::clock::now_ms;

use crate::args::LlmArgs;
use crate::fault::{ModelFault, fault_of};
use crate::limits::SILENCE_MAX;

/// A model and the way to it.
#[derive(Debug)]
pub(crate) struct ModelLink {
    client: Client,
    model: ModelIden,
    options: ChatOptions,
    /// The variable that the key stands in, for a provider that wants one.
    pub(crate) key: Option<&'static str>,
    /// How many tokens the model can keep in view.
    pub(crate) context_tokens: u64,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnswerPiece {
    Text(String),
    Thought(String),
}

/// A whole answer of the model.
#[derive(Debug)]
pub(crate) struct ModelAnswer {
    /// As it goes into the conversation.
    pub(crate) message: ChatMessage,
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) stop: Option<StopReason>,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cached: u64,
}

impl ModelLink {
    /// Finds the provider and the key. Fails with what is to be given.
    pub(crate) fn new(args: &LlmArgs) -> Result<ModelLink, String> {
        let wanted = &args.model;
        let Some((provider, name)) = wanted.split_once('/').filter(|(_, name)| !name.is_empty()) else {
            return Err(format!(
                "the model {wanted} names no provider: write it as PROVIDER/MODEL, such as anthropic/{wanted}"
            ));
        };
        let adapter = AdapterKind::from_lower_str(provider).ok_or_else(|| {
            format!("there is no provider {provider}: anthropic, openai and ollama are the usual ones; a server that speaks as OpenAI's does is openai/{name} with --base-url URL")
        })?;
        // Some of OpenAI's models are reached by another interface, which servers of others seldom have.
        let adapter = match (adapter, &args.base_url, AdapterKind::from_model(name)) {
            (AdapterKind::OpenAI, None, Ok(AdapterKind::OpenAIResp)) => AdapterKind::OpenAIResp,
            (adapter, _, _) => adapter,
        };
        let key = adapter.default_key_env_name();
        let given = key.and_then(|variable| std::env::var(variable).ok()).filter(|value| !value.is_empty());
        let auth = match (key, given, &args.base_url) {
            (_, Some(value), _) => AuthData::from_single(value),
            // A server of one's own needs none, and the header has to hold something.
            (_, None, Some(_)) | (None, None, None) => AuthData::from_single("none"),
            (Some(variable), None, None) => {
                return Err(format!(
                    "there is no key for {provider}: set {variable}, or give it to the member with --env {variable}=KEY"
                ));
            }
        };
        let model = ModelIden::new(adapter, name.to_owned());
        let endpoint = match &args.base_url {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
                Some(Endpoint::from_owned(format!("{}/", url.trim_end_matches('/'))))
            }
            Some(url) => {
                return Err(format!("{url} is no address of a server: it begins with neither http:// nor https://"));
            }
            None => None,
        };
        let config = ProviderConfig { endpoint, auth: Some(auth) };
        let client = Client::builder().append_provider_config(adapter, config).build();
        let client = client.map_err(|error| format!("cannot speak with {provider}: {error}"))?;
        let mut options = ChatOptions::default()
            .with_capture_usage(true)
            .with_capture_content(true)
            .with_capture_tool_calls(true)
            .with_capture_reasoning_content(true)
            .with_stream_header_timeout(SILENCE_MAX)
            .with_stream_read_timeout(SILENCE_MAX);
        if adapter == AdapterKind::Anthropic {
            options = options.with_cache_control(CacheControl::Ephemeral);
        }
        if let Some(word) = &args.effort {
            let effort = ReasoningEffort::from_keyword(word)
                .ok_or_else(|| format!("there is no effort {word}: none, low, medium, high and max are known"))?;
            options = options.with_reasoning_effort(effort);
        }
        let usual = match adapter {
            AdapterKind::Anthropic => 200_000,
            AdapterKind::Ollama => 32_000,
            _ => 128_000,
        };
        let context_tokens = args.context_tokens.unwrap_or(usual);
        Ok(ModelLink { client, model, options, key, context_tokens })
    }

    /// Asks the model, and tells each piece of its answer as it comes. May be dropped while it waits, which breaks off.
    pub(crate) async fn ask(
        &self,
        request: ChatRequest,
        mut tell: impl FnMut(AnswerPiece),
    ) -> Result<ModelAnswer, ModelFault> {
        let now_s = now_ms() / 1_000;
        let fault = |error: genai::Error| fault_of(&error, now_s, &self.model.model_name, self.key);
        let started = self.client.exec_chat_stream(self.model.clone(), request, Some(&self.options)).await;
        let mut stream = started.map_err(fault)?.stream;
        let mut end = None;
        while let Some(event) = stream.next().await {
            match event.map_err(fault)? {
                ChatStreamEvent::Chunk(chunk) => tell(AnswerPiece::Text(chunk.content)),
                ChatStreamEvent::ReasoningChunk(chunk) => tell(AnswerPiece::Thought(chunk.content)),
                ChatStreamEvent::End(ended) => end = Some(ended),
                ChatStreamEvent::Start
                | ChatStreamEvent::ThoughtSignatureChunk(_)
                | ChatStreamEvent::ToolCallChunk(_)
                | ChatStreamEvent::Heartbeat => {}
            }
        }
        let broken_off = || ModelFault::Unreachable { reason: "the answer broke off".to_owned() };
        let end = end.ok_or_else(broken_off)?;
        let stop = end.captured_stop_reason;
        let content = end.captured_content.unwrap_or_default();
        if stop.is_none() && content.is_empty() {
            return Err(broken_off());
        }
        let calls: Vec<ToolCall> = content.tool_calls().into_iter().cloned().collect();
        let text = content.joined_texts().unwrap_or_default();
        // What the model thought is needed again only where its call goes on.
        let message = match calls.is_empty() {
            true => ChatMessage::assistant(text.clone()),
            false if content.contains_reasoning_content() => ChatMessage::assistant(content),
            false => ChatMessage::assistant(content).with_reasoning_content(end.captured_reasoning_content),
        };
        let usage = end.captured_usage.unwrap_or_default();
        let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(0);
        let cached = usage.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
        Ok(ModelAnswer {
            message,
            text,
            calls,
            stop,
            input: count(usage.prompt_tokens),
            output: count(usage.completion_tokens),
            cached: count(cached),
        })
    }
}
