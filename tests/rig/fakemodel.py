#!/usr/bin/env python3
"""A model server that follows a script, so that real agents can be tested without a provider and with the same answer
each time. The server listens on loopback only, and needs Python 3.9 or later without any package.

The server speaks, streaming or not, below any prefix such as /v1 or /openai:
  POST messages                      Anthropic Messages, with messages/count_tokens
  POST chat/completions              OpenAI Chat Completions
  POST responses                     OpenAI Responses: function_call, custom_tool_call, namespaces
  POST models/M:generateContent      Gemini, with :streamGenerateContent and :countTokens
  GET  models
Tests ask the server itself: GET /__rig/health, GET /__rig/log[?since=N], POST /__rig/reset, POST /__rig/stop.

The script is in the prompt: the last text of the user that has directives.
  [[say text=hello]]                    says a text
  [[stream n=50 ms=100 word=tick]]      says n words, ms apart: a slow answer, to be steered or aborted
  [[sleep ms=3000]]                     says nothing on the open stream but what keeps it alive
  [[think text=...]]                    thinks
  [[write path=a.txt text="x\\ny"]]     calls whichever tool of the request writes files
  [[read path=a.txt]]  [[edit path=a.txt old=x new=y]]  [[bash cmd="ls -la"]]
                                        call the tools that read, change, and run
  [[tool name=send_message to=lead]]    calls a tool by its name: one of an MCP server whose name ends so, else the one
                                        of exactly this name, else one that ends so. The other words are arguments
  [[tool name=x args='{"a":1}']]        the same with arguments as JSON
  [[also]]                              puts the next call into the same message of the model
  [[error status=529 times=2]]          answers with an HTTP error, so many times, then goes on
  [[error status=429 limit=KIND in=60]] the same, as a provider says that a limit is reached: claude and codex name the
                                        time of the reset, in so many seconds; quota and credit name none
  [[cut]]                               drops the connection in mid stream, once
  [[usage in=190000 out=10]]            reports these numbers of tokens
  [[stop reason=max_tokens]]            ends the answer for this reason
Directives up to and including the next call of a tool are one answer of the model. The agent runs the tool, asks again,
and gets the next answer. The place in the script is found from the history in the request, so that the server knows no
sessions. A later text with directives, such as a steer, takes over at the next answer. A prompt without directives
follows the script of --default, or is answered with "echo: PROMPT", and a request for JSON of a schema with the smallest that fits. A request without tools,
such as one for a title, never waits and never calls a tool. An error or a cut is counted by the text of the prompt and
its place in the history for as long as the server lives: a prompt of other words fails anew, and so does one that is
repeated in the same conversation. An error with count=NAME is counted by that name alone, and with bare=yes
beside it requests without tools are answered with it as well.

Everything is bounded: bodies, requests at once, the time of a stream, the life of the server, its log.
"""
import argparse, collections, gzip, hashlib, json, os, re, select, socket, sys, threading, time, zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit, parse_qs

MAX_BODY = 32 << 20
MAX_STREAM_S = 600
MAX_SLEEP_MS = 300_000
MAX_WORDS = 20_000
MAX_LOG = 2000
NAMES = {"say", "stream", "sleep", "think", "write", "read", "edit", "bash", "tool", "also",
         "error", "cut", "usage", "stop"}
TOOLISH = {"write", "read", "edit", "bash", "tool"}

# the script of a prompt that has none
DEFAULT = ""

# ---- directives
DIR_RE = re.compile(r"""\[\[(\w+)((?:\s+(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\]"']|\](?!\]))*)?)\]\]""", re.S)
KEY_RE = re.compile(r"""(\w+)=(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|(.*?))(?=\s+\w+=|\s*$)""", re.S)


def unescape(s):
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m.group(1), m.group(1)), s, flags=re.S)


def parse(text):
    out = []
    for m in DIR_RE.finditer(text or ""):
        if m.group(1) not in NAMES:
            continue
        kv = {}
        for k in KEY_RE.finditer(m.group(2).strip()):
            dq, sq, bare = k.group(2), k.group(3), k.group(4)
            kv[k.group(1)] = unescape(dq) if dq is not None else unescape(sq) if sq is not None else bare
        out.append((m.group(1), kv))
    return out


def group(dirs):
    """-> list of steps; a step is a list of directives and makes one model response."""
    steps, cur, join = [], [], False
    for d in dirs:
        if d[0] == "also":
            join = True
            continue
        if join and not cur and steps and d[0] in TOOLISH:
            steps[-1].append(d)
            join = False
            continue
        cur.append(d)
        if d[0] in TOOLISH:
            steps.append(cur)
            cur = []
    if cur:
        steps.append(cur)
    return steps


# ---- request -> neutral form
class Req:
    def __init__(self):
        self.api = self.model = ""
        self.stream = False
        self.tools = []      # dicts: name, ns, schema, kind(function|custom|...)
        self.events = []     # ("user", text) | ("assistant", ntools) | ("tool", text)
        self.system = ""
        self.schema = None
        self.include_usage = False
        self.raw_len = 0
        self.loaded = set()  # deferred tools that a tool search has loaded


SEARCH = ("toolsearch", "tool_search")


def asst(names):
    """("assistant", number of tool calls that are not tool searches, number of tool searches)"""
    k = sum((n or "").lower() in SEARCH for n in names)
    return ("assistant", len(names) - k, k)


def text_of(c):
    if isinstance(c, str):
        return c
    if isinstance(c, list):
        return "\n".join(t for t in (text_of(x) for x in c) if t)
    if isinstance(c, dict):
        for k in ("text", "input_text", "output_text"):
            if isinstance(c.get(k), str):
                return c[k]
        if "content" in c:
            return text_of(c["content"])
        if "parts" in c:
            return text_of(c["parts"])
    return ""


def from_anthropic(b):
    r = Req()
    r.api, r.model, r.stream = "anthropic", b.get("model", ""), bool(b.get("stream"))
    r.system = text_of(b.get("system", ""))
    for t in b.get("tools") or []:
        r.tools.append(dict(name=t.get("name", ""), ns="", schema=t.get("input_schema") or {}, kind="function",
                            deferred=bool(t.get("defer_loading"))))
    for m in b.get("messages") or []:
        c = m.get("content")
        blocks = [{"type": "text", "text": c}] if isinstance(c, str) else (c or [])
        if m.get("role") == "assistant":
            names = [x.get("name") for x in blocks if x.get("type") == "tool_use"]
            r.events.append(asst(names))
        else:
            for x in blocks:
                if x.get("type") == "tool_result":
                    c2 = x.get("content")
                    for y in c2 if isinstance(c2, list) else []:
                        if y.get("type") == "tool_reference":
                            r.loaded.add(y.get("tool_name"))
                    r.events.append(("tool", text_of(c2)))
                elif x.get("type") == "text":
                    r.events.append(("user", x.get("text", "")))
    of = b.get("output_format") or (b.get("output_config") or {}).get("format") or {}
    r.schema = of.get("schema")
    return r


def from_chat(b):
    r = Req()
    r.api, r.model, r.stream = "chat", b.get("model", ""), bool(b.get("stream"))
    r.include_usage = bool((b.get("stream_options") or {}).get("include_usage"))
    for t in b.get("tools") or []:
        f = t.get("function") or t.get("custom") or t
        r.tools.append(dict(name=f.get("name", ""), ns="", schema=f.get("parameters") or {}, kind="function"))
    for m in b.get("messages") or []:
        role = m.get("role")
        if role in ("system", "developer"):
            r.system += text_of(m.get("content")) + "\n"
        elif role == "assistant":
            r.events.append(asst([(c.get("function") or {}).get("name") for c in m.get("tool_calls") or []]))
        elif role == "tool":
            r.events.append(("tool", text_of(m.get("content"))))
        else:
            r.events.append(("user", text_of(m.get("content"))))
    rf = b.get("response_format") or {}
    r.schema = (rf.get("json_schema") or {}).get("schema")
    return r


def from_responses(b):
    r = Req()
    r.api, r.model, r.stream = "responses", b.get("model", ""), bool(b.get("stream"))
    r.system = text_of(b.get("instructions") or "")

    def add(t, ns):
        if t.get("type") == "namespace":
            for u in t.get("tools") or []:
                add(u, t.get("name", ""))
        else:
            r.tools.append(dict(name=t.get("name") or t.get("type", ""), ns=ns,
                                schema=t.get("parameters") or {}, kind=t.get("type", "function")))
    for t in b.get("tools") or []:
        add(t, "")
    inp = b.get("input")
    if isinstance(inp, str):
        inp = [{"type": "message", "role": "user", "content": inp}]
    run = []
    for it in inp or []:
        ty = it.get("type") or ("message" if "role" in it else "")
        if ty in ("function_call", "custom_tool_call", "local_shell_call", "tool_search_call"):
            run.append("tool_search" if ty == "tool_search_call" else it.get("name"))
            continue
        if run and ty != "reasoning":
            r.events.append(asst(run))
            run = []
        if ty == "message":
            role = it.get("role")
            if role in ("system", "developer"):
                r.system += "\n" + text_of(it.get("content"))
            elif role == "assistant":
                r.events.append(asst([]))
            else:
                r.events.append(("user", text_of(it.get("content"))))
        elif ty == "additional_tools":          # tools delivered inside the input list
            for t in it.get("tools") or []:
                add(t, "")
        elif ty.endswith("_output"):
            for t in it.get("tools") or []:      # tool_search_output carries tools
                add(t, "")
            o = it.get("output")
            r.events.append(("tool", o if isinstance(o, str) else text_of(o)))
    if run:
        r.events.append(asst(run))
    f = (b.get("text") or {}).get("format") or {}
    r.schema = f.get("schema") if f.get("type") == "json_schema" else None
    return r


def from_gemini(b, model, stream):
    r = Req()
    r.api, r.model, r.stream = "gemini", model, stream
    r.system = text_of(b.get("systemInstruction") or b.get("system_instruction") or "")
    for t in b.get("tools") or []:
        for f in t.get("functionDeclarations") or t.get("function_declarations") or []:
            r.tools.append(dict(name=f.get("name", ""), ns="", kind="function",
                                schema=f.get("parametersJsonSchema") or f.get("parameters") or {}))
    for m in b.get("contents") or []:
        parts = m.get("parts") or []
        if m.get("role") == "model":
            r.events.append(asst([p["functionCall"].get("name") for p in parts if "functionCall" in p]))
        else:
            for p in parts:
                if "functionResponse" in p:
                    r.events.append(("tool", json.dumps(p["functionResponse"].get("response"))))
                elif "text" in p:
                    r.events.append(("user", p["text"]))
    g = b.get("generationConfig") or {}
    r.schema = g.get("responseJsonSchema") or g.get("responseSchema")
    return r


# ---- planning
CWD_RE = re.compile(r"(?i)(?:\bcwd\b|working[ _]?(?:in )?(?:the )?(?:following )?director(?:y|ies)|workspace[ _](?:root|folder|director\w+)|work_dir\w*|project root)"
                    r"[^/\n]{0,60}\n?[\s\-*]*`?(/[^\s<>\"'`,;)]+)")


def find_cwd(r):
    """The agent's working folder as its prompts tell it; only a folder that is there (same machine) counts."""
    for t in [r.system] + [e[1] for e in r.events if e[0] == "user"]:
        for m in CWD_RE.finditer(t or ""):
            d = m.group(1).rstrip(".:")
            if d != "/" and os.path.isdir(d):
                return d
    return None


def props(t):
    s = t["schema"] or {}
    return s.get("properties") or {}


def pick(t, names):
    p = props(t)
    low = {k.lower().replace("_", ""): k for k in p}
    for n in names:
        if n in low:
            return low[n]
    return None


def minimal(s, depth=0):
    """A minimal instance of a JSON schema."""
    if not isinstance(s, dict) or depth > 6:
        return None
    if "const" in s:
        return s["const"]
    if s.get("default") is not None:
        return s["default"]
    if s.get("enum"):
        return "user" if "user" in s["enum"] else s["enum"][0]
    for k in ("anyOf", "oneOf", "allOf"):
        if s.get(k):
            return minimal(s[k][0], depth + 1)
    ty = s.get("type")
    ty = (ty[0] if isinstance(ty, list) else ty or ("object" if "properties" in s else "string")).lower()
    if ty == "object":
        pr = s.get("properties") or {}
        return {k: minimal(pr.get(k) or {}, depth + 1) for k in (s.get("required") or list(pr))}
    if ty == "array":
        return [minimal(s.get("items") or {}, depth + 1)] if s.get("minItems") else []
    return {"integer": 0, "number": 0, "boolean": False, "null": None}.get(ty, "rig")


def fill_required(t, args):
    pr = props(t)
    for k in (t["schema"] or {}).get("required") or []:
        if k not in args:
            v = minimal(pr.get(k) or {})
            args[k] = v if v is not None else "rig"
    return args


WRITE = ["write", "write_file", "writefile", "create_file", "write_to_file", "fs_write", "save-file", "save_file", "editor",
         "str_replace_based_edit_tool", "str_replace_editor", "file_editor", "create", "apply_patch"]
BASH = ["bash", "shell", "shell_command", "exec_command", "run_shell_command", "execute_command", "run_command", "run_commands",
        "run_terminal_cmd", "terminal", "launch-process", "local_shell", "execute_bash", "execute", "developer__shell", "container.exec"]
READ = ["read", "read_file", "readfile", "view", "read_files", "cat", "fs_read"]
EDIT = ["edit", "replace", "edit_file", "search_replace", "str_replace", "replace_in_file", "str_replace_based_edit_tool", "str_replace_editor"]


def tool_by(r, names):
    low = {}
    for t in r.tools:
        if t.get("deferred"):
            continue
        n = t["name"].lower()
        low.setdefault(n, t)
        low.setdefault(re.split(r"__|\.", n)[-1], t)   # mcp__acp__write -> write
    for n in names:
        if n in low:
            return low[n]
    return None


def want_abs(r, path, prop):
    if path.startswith("/"):
        return path
    cwd = find_cwd(r)
    return os.path.join(cwd, path) if cwd else path


def call(t, args, raw=None):
    return dict(kind="call", name=t["name"], ns=t["ns"], custom=(t["kind"] == "custom"), args=args, raw=raw)


def shell_call(r, cmd):
    t = tool_by(r, BASH)
    if not t:
        return None
    k = pick(t, ["command", "cmd", "script", "commands", "code", "input"]) or "command"
    ps = props(t).get(k) or {}
    val = cmd
    if ps.get("type") == "array" or (isinstance(ps.get("type"), list) and "array" in ps["type"]):
        val = [cmd] if k == "commands" else ["bash", "-lc", cmd]
    return call(t, fill_required(t, {k: val}))


def patch_text(path, text):
    return "*** Begin Patch\n*** Add File: %s\n%s\n*** End Patch\n" % (
        path, "\n".join("+" + l for l in text.split("\n")))


def resolve(r, name, kv):
    """directive -> tool call, or None when the request offers no fitting tool."""
    if name == "bash":
        return shell_call(r, kv.get("cmd", "true"))
    if name == "write":
        path, text = kv.get("path", "rig.txt"), kv.get("text", "")
        t = tool_by(r, WRITE)
        if t and t["name"].lower() == "apply_patch":
            p = patch_text(path, text)
            if t["kind"] == "custom":
                return call(t, {}, raw=p)
            return call(t, fill_required(t, {pick(t, ["input", "patch", "patchtext"]) or "input": p}))
        if t:
            pk = pick(t, ["filepath", "path", "absolutepath", "file", "filename", "targetfile", "targetpath"])
            ck = pick(t, ["content", "contents", "filetext", "filecontent", "text", "newtext", "code", "data", "newstr"])
            if pk and ck:
                a = {pk: want_abs(r, path, pk), ck: text}
                if "command" in props(t):
                    a["command"] = "create"
                return call(t, fill_required(t, a))
        return shell_call(r, "cat > '%s' <<'RIG_EOF'\n%s\nRIG_EOF" % (path, text))
    if name == "read":
        t = tool_by(r, READ)
        pk = t and pick(t, ["filepath", "path", "absolutepath", "file", "filename", "paths", "files"])
        if pk:
            p = want_abs(r, kv.get("path", "."), pk)
            return call(t, fill_required(t, {pk: [p] if (props(t)[pk].get("type") == "array") else p}))
        return shell_call(r, "cat '%s'" % kv.get("path", "."))
    if name == "edit":
        t = tool_by(r, EDIT)
        if t:
            pk = pick(t, ["filepath", "path", "absolutepath", "file"])
            ok = pick(t, ["oldstring", "oldtext", "oldstr", "search"])
            nk = pick(t, ["newstring", "newtext", "newstr", "replace"])
            if pk and ok and nk:
                a = {pk: want_abs(r, kv.get("path", ""), pk), ok: kv.get("old", ""), nk: kv.get("new", "")}
                if "command" in props(t):
                    a["command"] = "str_replace"
                return call(t, fill_required(t, a))
            if pk and "edits" in props(t):
                it = ((props(t)["edits"].get("items") or {}).get("properties") or {})
                o = next((x for x in it if x.lower().startswith("old")), "oldText")
                n = next((x for x in it if x.lower().startswith("new")), "newText")
                return call(t, fill_required(t, {pk: want_abs(r, kv.get("path", ""), pk),
                                                 "edits": [{o: kv.get("old", ""), n: kv.get("new", "")}]}))
        return shell_call(r, "sed -i 's/%s/%s/' '%s'" % (kv.get("old", ""), kv.get("new", ""), kv.get("path", "")))
    if name == "tool":
        want = kv.get("name", "")
        args = {k: v for k, v in kv.items() if k not in ("name", "args")}
        if "args" in kv:
            try:
                args = json.loads(kv["args"])
            except ValueError:
                args = {"_bad_args": kv["args"]}
        live = [t for t in r.tools if not t.get("deferred")]
        rx = re.compile(r"(?:^|_|[._/:-])" + re.escape(want) + r"$")
        cand = [t for t in live if "mcp" in (t["ns"] + t["name"]).lower() and rx.search(t["name"])] or \
               [t for t in live if t["name"] == want] or [t for t in live if rx.search(t["name"])]
        if cand:
            return call(cand[0], args)
        # deferred tools: ask the agent's own tool-search tool to load it first
        ts = tool_by(r, SEARCH)
        if ts:
            rx = re.compile(r"\b(?:mcp__[\w-]+__)?%s\b" % re.escape(want))
            seen = {m.group(0) for e in r.events if e[0] != "assistant" and not DIR_RE.search(e[1]) for m in rx.finditer(e[1])}
            seen |= {m.group(0) for m in rx.finditer(r.system)} | {t["name"] for t in r.tools if rx.search(t["name"])} | {n for n in r.loaded if n and rx.search(n)}
            full = next(iter(sorted(seen, key=lambda n: (-len(n), n))), None)
            defs = [e[1] for e in r.events if e[0] == "tool" and "<function" in e[1]]
            if full and (full in r.loaded or any('"%s"' % full in d for d in defs)):
                return dict(kind="call", name=full, ns="", custom=False, args=args, raw=None)
            args = {"query": ("select:" + full) if full and ts["kind"] != "tool_search" else want}
            mk = pick(ts, ["maxresults", "limit"])
            if mk:
                args[mk] = 5
            c = call(ts, fill_required(ts, args))
            c["search"] = True
            if ts["kind"] == "tool_search":
                c["tool_search"] = True
            return c
    return None


SUMMARY_RE = re.compile(r"(?i)(detailed|concise|brief|structured)[^.\n]{0,40}summary|summari[sz]e (the|this|our) (conversation|session)|CHECKPOINT COMPACTION|state_snapshot|compact")


def plan(r, st):
    """-> (items, meta). items: text/think/sleep/call/cut dicts in order."""
    users = [i for i, e in enumerate(r.events) if e[0] == "user"]
    last_text = r.events[users[-1]][1] if users else ""
    meta = dict(step=None, steps=0, usage=None, stop=None, error=None, note="")
    if r.schema is not None:
        meta["note"] = "schema"
        return [dict(kind="text", text=json.dumps(minimal(r.schema)), ms=0)], meta
    si, dirs = None, []
    for i in reversed(users):
        dirs = parse(r.events[i][1])
        if dirs:
            si = i
            break
    if si is None and users and DEFAULT:
        si, dirs = users[-1], parse(DEFAULT)
    if si is None:
        return [dict(kind="text", text="echo: " + re.sub(r"\s+", " ", last_text)[-200:], ms=None)], meta
    if not r.tools:
        meta["note"] = "no-tools"
        for n, kv in dirs:
            if n == "error" and "bare" in kv and "count" in kv and st.once("count:" + kv["count"], int(kv.get("times", 1))):
                meta["error"] = int(kv.get("status", 529))
                meta["limit"] = (kv.get("limit"), int(kv.get("in", 3600)))
                return [], meta
        says = [kv.get("text", "") for n, kv in dirs if n == "say"]
        return [dict(kind="text", text=" ".join(says) or "Rig title", ms=0)], meta
    if users[-1] != si and not parse(last_text) and SUMMARY_RE.search(last_text) and len(last_text) > 200:
        meta["note"] = "summary"
        return [dict(kind="text", text="SUMMARY: rig conversation so far.", ms=0)], meta
    after = [e for e in r.events[si + 1:]]
    done = 0
    for e in after:
        isg = e[0] == "assistant" and e[1] > 0
        if isg:
            done += 1
    steps = group(dirs)
    meta["steps"] = len(steps)
    key = hashlib.sha1(r.events[si][1].encode("utf8", "replace")).hexdigest()[:12] + ":%d" % si
    searches = 0                       # tool searches since the last real step: they are not steps
    for e in after:
        if e[0] == "assistant":
            searches = 0 if e[1] else searches + e[2]
    meta["step"] = done
    meta["key"] = key
    if done >= len(steps):
        return [dict(kind="text", text="done (%d steps)" % len(steps), ms=0)], meta
    items = []
    for name, kv in steps[done]:
        if name == "say":
            items.append(dict(kind="text", text=kv.get("text", ""), ms=num(kv, "ms")))
        elif name == "stream":
            n = min(int(kv.get("n", 50)), MAX_WORDS)
            w = kv.get("word", "tick")
            items.append(dict(kind="words", words=["%s%d " % (w, i) for i in range(n)], ms=num(kv, "ms", 100)))
        elif name == "sleep":
            items.append(dict(kind="sleep", ms=min(num(kv, "ms", 1000), MAX_SLEEP_MS)))
        elif name == "think":
            items.append(dict(kind="think", text=kv.get("text", "hmm"), ms=num(kv, "ms")))
        elif name == "usage":
            meta["usage"] = (int(kv.get("in", 1000)), int(kv.get("out", 10)))
        elif name == "stop":
            meta["stop"] = kv.get("reason", "end")
        elif name == "cut":
            if st.once(key + ":cut:%d" % done, 1):
                items.append(dict(kind="cut"))
        elif name == "error":
            counted = "count:" + kv["count"] if "count" in kv else key + ":err:%d" % done
            if st.once(counted, int(kv.get("times", 1))):
                meta["error"] = int(kv.get("status", 529))
                meta["limit"] = (kv.get("limit"), int(kv.get("in", 3600)))
                return [], meta
        else:
            c = resolve(r, name, kv)
            if c is None:
                items.append(dict(kind="text", text="(no tool offered for %s %s)" % (name, kv.get("name", "")), ms=0))
                meta["note"] = "unresolved"
            else:
                if c.get("search"):
                    if searches >= 3:
                        items.append(dict(kind="text", text="(tool %s not found by search)" % kv.get("name"), ms=0))
                        meta["note"] = "unresolved"
                        continue
                    meta["note"] = "tool-search"
                items.append(c)
    if not items:
        items.append(dict(kind="text", text="done", ms=0))
    return items, meta


def num(kv, k, d=None):
    try:
        return int(kv[k])
    except (KeyError, ValueError):
        return d


# ---- shared state
class State:
    def __init__(self, a):
        self.a = a
        self.lock = threading.Lock()
        self.log = collections.deque(maxlen=MAX_LOG)
        self.seq = 0
        self.counts = {}
        self.inflight = 0
        self.t0 = time.time()
        self.logf = open(a.log, "a", buffering=1) if a.log else None

    def once(self, key, times):
        """True for the first `times` calls with this key."""
        with self.lock:
            if len(self.counts) > 10000:
                self.counts.clear()
            n = self.counts.get(key, 0)
            self.counts[key] = n + 1
            return n < times

    def next(self):
        with self.lock:
            self.seq += 1
            return self.seq

    def add(self, rec):
        with self.lock:
            self.log.append(rec)
            if self.logf:
                self.logf.write(json.dumps(rec) + "\n")

    def reset(self):
        with self.lock:
            self.log.clear()
            self.counts.clear()


class Gone(Exception):
    pass


# ---- writers (one per API)
class Out:
    """HTTP chunked writer that notices when the client goes away."""
    def __init__(self, h, ctype):
        self.h, self.ctype, self.started, self.t0 = h, ctype, False, time.time()
        self.nbytes = 0

    def start(self):
        if self.started:
            return
        self.started = True
        h = self.h
        h.send_response(200)
        h.send_header("content-type", self.ctype)
        h.send_header("cache-control", "no-cache")
        h.send_header("transfer-encoding", "chunked")
        h.send_header("request-id", "req_rig")
        h.end_headers()

    def alive(self):
        s = self.h.connection
        try:
            rd, _, _ = select.select([s], [], [], 0)
            if rd and s.recv(1, socket.MSG_PEEK) == b"":
                return False
        except OSError:
            return False
        return True

    def write(self, s):
        if time.time() - self.t0 > MAX_STREAM_S:
            raise Gone("stream over the time bound")
        self.start()
        b = s.encode()
        self.nbytes += len(b)
        try:
            if not self.alive():
                raise Gone("client closed")
            self.h.wfile.write(b"%x\r\n%s\r\n" % (len(b), b))
            self.h.wfile.flush()
        except OSError:
            raise Gone("client closed")

    def nap(self, ms, keepalive=None):
        end = time.time() + ms / 1000.0
        nextka = time.time() + 1.0
        while True:
            left = end - time.time()
            if left <= 0:
                return
            time.sleep(min(left, 0.05))
            if not self.alive():
                raise Gone("client closed")
            if keepalive and time.time() >= nextka:
                self.write(keepalive)
                nextka = time.time() + 1.0

    def end(self):
        self.start()
        try:
            self.h.wfile.write(b"0\r\n\r\n")
            self.h.wfile.flush()
        except OSError:
            raise Gone("client closed")


def chunks(s, n=24):
    return [s[i:i + n] for i in range(0, len(s), n)] or [""]


def cid(seq, i):
    return "rig%06d_%d" % (seq, i)


class Emit:
    """Base: drives items, subclasses give the wire form."""
    ka = ": keep-alive\n\n"

    def __init__(self, o, r, meta, seq, delay):
        self.o, self.r, self.meta, self.seq, self.delay = o, r, meta, seq, delay
        self.it = meta["usage"][0] if meta["usage"] else max(1, r.raw_len // 4)
        self.ot = meta["usage"][1] if meta["usage"] else 0
        self.calls = 0
        self.text = ""

    def sse(self, ev, data):
        self.o.write(("event: %s\n" % ev if ev else "") + "data: " + json.dumps(data) + "\n\n")

    def count(self, s):
        if not self.meta["usage"]:
            self.ot += max(1, len(s) // 4)

    def run(self, items):
        self.begin()
        for it in items:
            k = it["kind"]
            if k == "sleep":
                self.close_open()
                self.o.nap(it["ms"], self.ka)
            elif k in ("text", "words", "think"):
                ms = it.get("ms")
                ms = self.delay if ms is None else ms
                for c in (it.get("words") or chunks(it["text"])):
                    (self.on_think if k == "think" else self.on_text)(c)
                    self.count(c)
                    if k != "think":
                        self.text += c
                    if ms:
                        self.o.nap(ms)
                self.close_open()
            elif k == "call":
                self.close_open()
                self.on_call(it, cid(self.seq, self.calls))
                self.calls += 1
                self.count(json.dumps(it["args"]))
            elif k == "cut":
                raise Gone("cut by script")
        self.close_open()
        self.finish()
        self.o.end()

    def close_open(self):
        pass


class AnthropicEmit(Emit):
    ka = "event: ping\ndata: {\"type\": \"ping\"}\n\n"

    def begin(self):
        self.idx, self.open = -1, None
        self.sse("message_start", {"type": "message_start", "message": {
            "id": "msg_" + cid(self.seq, 0), "type": "message", "role": "assistant", "model": self.r.model,
            "content": [], "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": self.it, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}}})

    def block(self, ty, b):
        if self.open != ty:
            self.close_open()
            self.idx += 1
            self.open = ty
            self.sse("content_block_start", {"type": "content_block_start", "index": self.idx, "content_block": b})

    def delta(self, d):
        self.sse("content_block_delta", {"type": "content_block_delta", "index": self.idx, "delta": d})

    def on_text(self, c):
        self.block("text", {"type": "text", "text": ""})
        self.delta({"type": "text_delta", "text": c})

    def on_think(self, c):
        self.block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        self.delta({"type": "thinking_delta", "thinking": c})

    def on_call(self, it, i):
        self.block("tool%s" % i, {"type": "tool_use", "id": "toolu_" + i, "name": it["name"], "input": {}})
        for c in chunks(json.dumps(it["args"])):
            self.delta({"type": "input_json_delta", "partial_json": c})
        self.close_open()

    def close_open(self):
        if self.open is not None:
            if self.open == "thinking":
                self.delta({"type": "signature_delta", "signature": "cmln"})
            self.sse("content_block_stop", {"type": "content_block_stop", "index": self.idx})
            self.open = None

    def finish(self):
        stop = self.meta["stop"] or ("tool_use" if self.calls else "end_turn")
        self.sse("message_delta", {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
                                   "usage": {"input_tokens": self.it, "output_tokens": max(1, self.ot)}})
        self.sse("message_stop", {"type": "message_stop"})


class ChatEmit(Emit):
    def chunk(self, delta, fin=None, usage=None):
        d = {"id": "chatcmpl-" + cid(self.seq, 0), "object": "chat.completion.chunk", "created": 1700000000, "model": self.r.model,
             "choices": [] if usage else [{"index": 0, "delta": delta, "finish_reason": fin}]}
        if usage:
            d["usage"] = usage
        self.sse(None, d)

    def begin(self):
        self.chunk({"role": "assistant", "content": ""})

    def on_text(self, c):
        self.chunk({"content": c})

    def on_think(self, c):
        self.chunk({"reasoning_content": c})

    def on_call(self, it, i):
        self.chunk({"tool_calls": [{"index": self.calls, "id": "call_" + i, "type": "function",
                                    "function": {"name": it["name"], "arguments": ""}}]})
        for c in chunks(json.dumps(it["args"])):
            self.chunk({"tool_calls": [{"index": self.calls, "function": {"arguments": c}}]})

    def finish(self):
        fin = {"max_tokens": "length"}.get(self.meta["stop"], self.meta["stop"]) or ("tool_calls" if self.calls else "stop")
        self.chunk({}, fin)
        if self.r.include_usage:
            self.chunk({}, usage={"prompt_tokens": self.it, "completion_tokens": max(1, self.ot), "total_tokens": self.it + max(1, self.ot)})
        self.o.write("data: [DONE]\n\n")


class ResponsesEmit(Emit):
    def ev(self, ty, **kw):
        self.sn += 1
        self.sse(ty, dict(type=ty, sequence_number=self.sn, **kw))

    def resp(self, status, output, usage=None):
        return {"id": "resp_" + cid(self.seq, 0), "object": "response", "created_at": 1700000000, "status": status,
                "model": self.r.model, "output": output, "usage": usage, "error": None, "incomplete_details": None,
                "parallel_tool_calls": True, "tools": [], "tool_choice": "auto", "metadata": {}}

    def begin(self):
        self.sn, self.out, self.open, self.buf = -1, [], None, ""
        self.ev("response.created", response=self.resp("in_progress", []))
        self.ev("response.in_progress", response=self.resp("in_progress", []))

    def on_text(self, c):
        if self.open != "text":
            self.close_open()
            self.open, self.buf = "text", ""
            self.id = "msg_%s_%d" % (cid(self.seq, 0), len(self.out))
            self.ev("response.output_item.added", output_index=len(self.out),
                    item={"id": self.id, "type": "message", "status": "in_progress", "role": "assistant", "content": []})
            self.ev("response.content_part.added", item_id=self.id, output_index=len(self.out), content_index=0,
                    part={"type": "output_text", "text": "", "annotations": []})
        self.buf += c
        self.ev("response.output_text.delta", item_id=self.id, output_index=len(self.out), content_index=0, delta=c, logprobs=[])

    def on_think(self, c):
        if self.open != "think":
            self.close_open()
            self.open, self.buf = "think", ""
            self.id = "rs_%s_%d" % (cid(self.seq, 0), len(self.out))
            self.ev("response.output_item.added", output_index=len(self.out), item={"id": self.id, "type": "reasoning", "summary": []})
            self.ev("response.reasoning_summary_part.added", item_id=self.id, output_index=len(self.out), summary_index=0,
                    part={"type": "summary_text", "text": ""})
        self.buf += c
        self.ev("response.reasoning_summary_text.delta", item_id=self.id, output_index=len(self.out), summary_index=0, delta=c)

    def close_open(self):
        if self.open == "text":
            part = {"type": "output_text", "text": self.buf, "annotations": []}
            self.ev("response.output_text.done", item_id=self.id, output_index=len(self.out), content_index=0, text=self.buf, logprobs=[])
            self.ev("response.content_part.done", item_id=self.id, output_index=len(self.out), content_index=0, part=part)
            item = {"id": self.id, "type": "message", "status": "completed", "role": "assistant", "content": [part]}
        elif self.open == "think":
            part = {"type": "summary_text", "text": self.buf}
            self.ev("response.reasoning_summary_text.done", item_id=self.id, output_index=len(self.out), summary_index=0, text=self.buf)
            self.ev("response.reasoning_summary_part.done", item_id=self.id, output_index=len(self.out), summary_index=0, part=part)
            item = {"id": self.id, "type": "reasoning", "summary": [part]}
        else:
            return
        self.ev("response.output_item.done", output_index=len(self.out), item=item)
        self.out.append(item)
        self.open = None

    def on_call(self, it, i):
        n = len(self.out)
        if it.get("tool_search"):
            item = {"id": "tsc_" + i, "type": "tool_search_call", "call_id": "call_" + i, "execution": "client",
                    "status": "completed", "arguments": it["args"]}
            self.ev("response.output_item.added", output_index=n, item=dict(item, status="in_progress"))
        elif it["custom"]:
            raw = it["raw"] if it["raw"] is not None else (it["args"].get("input") if isinstance(it["args"], dict) and "input" in it["args"] else json.dumps(it["args"]))
            item = {"id": "ctc_" + i, "type": "custom_tool_call", "status": "completed", "call_id": "call_" + i, "name": it["name"], "input": raw}
            self.ev("response.output_item.added", output_index=n, item=dict(item, input="", status="in_progress"))
            for c in chunks(raw):
                self.ev("response.custom_tool_call_input.delta", item_id=item["id"], output_index=n, delta=c)
            self.ev("response.custom_tool_call_input.done", item_id=item["id"], output_index=n, input=raw)
        else:
            args = json.dumps(it["args"])
            item = {"id": "fc_" + i, "type": "function_call", "status": "completed", "call_id": "call_" + i, "name": it["name"], "arguments": args}
            if it["ns"]:
                item["namespace"] = it["ns"]
            self.ev("response.output_item.added", output_index=n, item=dict(item, arguments="", status="in_progress"))
            for c in chunks(args):
                self.ev("response.function_call_arguments.delta", item_id=item["id"], output_index=n, delta=c)
            self.ev("response.function_call_arguments.done", item_id=item["id"], output_index=n, arguments=args, name=it["name"])
        self.ev("response.output_item.done", output_index=n, item=item)
        self.out.append(item)

    def finish(self):
        u = {"input_tokens": self.it, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": max(1, self.ot),
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": self.it + max(1, self.ot)}
        if self.meta["stop"] == "max_tokens":
            r = self.resp("incomplete", self.out, u)
            r["incomplete_details"] = {"reason": "max_output_tokens"}
            self.ev("response.incomplete", response=r)
        else:
            self.ev("response.completed", response=self.resp("completed", self.out, u))


class GeminiEmit(Emit):
    ka = None

    def part(self, parts, fin=None):
        c = {"content": {"role": "model", "parts": parts}, "index": 0}
        if fin:
            c["finishReason"] = fin
        self.sse(None, {"candidates": [c], "modelVersion": self.r.model, "responseId": "rig" + cid(self.seq, 0),
                        "usageMetadata": {"promptTokenCount": self.it, "candidatesTokenCount": self.ot, "totalTokenCount": self.it + self.ot}})

    def begin(self):
        self.o.start()

    def on_text(self, c):
        self.part([{"text": c}])

    def on_think(self, c):
        self.part([{"text": c, "thought": True}])

    def on_call(self, it, i):
        self.part([{"functionCall": {"id": "call_" + i, "name": it["name"], "args": it["args"]}, "thoughtSignature": "cmln"}])

    def finish(self):
        self.part([{"text": ""}] if not self.calls else [], {"max_tokens": "MAX_TOKENS"}.get(self.meta["stop"], "STOP"))


class Sink:
    """Collects a stream's SSE for the non-streaming forms."""
    def __init__(self, h):
        self.h, self.ev, self.nbytes = h, [], 0
        self.probe = Out(h, "")

    def start(self): pass

    def write(self, s):
        for line in s.split("\n"):
            if line.startswith("data: {"):
                self.ev.append(json.loads(line[6:]))

    def nap(self, ms, ka=None):
        self.probe.nap(ms)

    def end(self): pass


def whole(api, ev, r):
    """Fold stream events to the non-streaming body."""
    if api == "anthropic":
        m = ev[0]["message"]
        for e in ev:
            if e["type"] == "content_block_start":
                m["content"].append(dict(e["content_block"])); m["content"][-1]["_j"] = ""
            elif e["type"] == "content_block_delta":
                b, d = m["content"][e["index"]], e["delta"]
                if "text" in d: b["text"] += d["text"]
                if "thinking" in d: b["thinking"] += d["thinking"]
                if "signature" in d: b["signature"] = d["signature"]
                if "partial_json" in d: b["_j"] += d["partial_json"]
            elif e["type"] == "message_delta":
                m["stop_reason"] = e["delta"]["stop_reason"]; m["usage"].update(e["usage"])
        for b in m["content"]:
            j = b.pop("_j")
            if b["type"] == "tool_use": b["input"] = json.loads(j or "{}")
        return m
    if api == "chat":
        txt, calls, fin, usage = "", {}, "stop", None
        for e in ev:
            usage = e.get("usage") or usage
            for c in e["choices"]:
                d = c["delta"]; txt += d.get("content") or ""; fin = c["finish_reason"] or fin
                for t in d.get("tool_calls") or []:
                    x = calls.setdefault(t["index"], {"id": t.get("id"), "type": "function", "function": {"name": "", "arguments": ""}})
                    for k, v in t["function"].items(): x["function"][k] += v
        msg = {"role": "assistant", "content": txt}
        if calls: msg["tool_calls"] = [calls[k] for k in sorted(calls)]
        return {"id": "chatcmpl-rig", "object": "chat.completion", "created": 1700000000, "model": r.model,
                "choices": [{"index": 0, "message": msg, "finish_reason": fin}],
                "usage": usage or {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    if api == "responses":
        return ev[-1]["response"]
    parts = [p for e in ev for p in e["candidates"][0]["content"]["parts"]]
    out = dict(ev[-1])
    merged = []
    for p in parts:
        if "text" in p and merged and "text" in merged[-1] and p.get("thought") == merged[-1].get("thought"):
            merged[-1]["text"] += p["text"]
        else:
            merged.append(dict(p))
    out["candidates"] = [{"content": {"role": "model", "parts": merged}, "finishReason": ev[-1]["candidates"][0].get("finishReason", "STOP"), "index": 0}]
    return out


EMIT = {"anthropic": AnthropicEmit, "chat": ChatEmit, "responses": ResponsesEmit, "gemini": GeminiEmit}
MODELS = ["claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5", "gpt-5-codex", "gemini-2.5-pro", "gemini-2.5-flash", "rig-model"]


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # An agent that was killed closes what it had open.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fakemodel"
    timeout = 120
    # A piece of an answer leaves when it is written.
    disable_nagle_algorithm = True

    def log_message(self, *a):
        pass

    def js(self, code, obj, hdr=()):
        b = json.dumps(obj).encode()
        try:
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(b)))
            for k, v in hdr:
                self.send_header(k, v)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b)
        except OSError:
            self.close_connection = True

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        st = self.server.st
        u = urlsplit(self.path)
        p = u.path.rstrip("/")
        if p == "/__rig/health":
            return self.js(200, {"ok": True, "requests": st.seq, "inflight": st.inflight, "up_s": round(time.time() - st.t0, 1)})
        if p == "/__rig/log":
            since = int((parse_qs(u.query).get("since") or ["0"])[0])
            return self.js(200, {"log": [x for x in list(st.log) if x["seq"] > since]})
        n = st.next()
        code = 200
        if p.endswith("/v1beta/models") or p.endswith("/v1alpha/models"):
            body = {"models": [{"name": "models/" + m, "supportedGenerationMethods": ["generateContent"]} for m in MODELS]}
        elif p.endswith("/models"):
            body = {"object": "list", "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1],
                    "data": [{"id": m, "object": "model", "type": "model", "created": 1700000000, "owned_by": "rig", "display_name": m,
                              "created_at": "2025-01-01T00:00:00Z"} for m in MODELS]}
        elif "/models/" in p:
            m = p.rsplit("/", 1)[1]
            body = {"id": m, "object": "model", "type": "model", "display_name": m, "owned_by": "rig"}
        elif p == "":
            body = {"ok": True}
        else:
            code, body = 404, {"error": {"type": "not_found_error", "message": "fakemodel: no such path"}}
        st.add(dict(seq=n, t=round(time.time(), 3), m=self.command, path=self.path[:300], code=code, ua=(self.headers.get("user-agent") or "")[:80]))
        self.js(code, body)

    def body(self):
        if "chunked" in (self.headers.get("transfer-encoding") or "").lower():
            out = b""
            while True:
                n = int(self.rfile.readline().split(b";")[0] or b"0", 16)
                if n == 0:
                    while self.rfile.readline().strip():
                        pass
                    break
                out += self.rfile.read(n)
                self.rfile.readline()
                if len(out) > MAX_BODY:
                    raise ValueError("body too large")
        else:
            n = int(self.headers.get("content-length") or 0)
            if n > MAX_BODY:
                raise ValueError("body too large")
            out = self.rfile.read(n)
        enc = (self.headers.get("content-encoding") or "").lower()
        if enc == "gzip":
            d = zlib.decompressobj(31); out = d.decompress(out, MAX_BODY)
        elif enc == "deflate":
            d = zlib.decompressobj(); out = d.decompress(out, MAX_BODY)
        elif enc not in ("", "identity"):
            raise ValueError("content-encoding " + enc)
        return out

    def do_POST(self):
        st = self.server.st
        u = urlsplit(self.path)
        p = u.path.rstrip("/")
        try:
            raw = self.body()
        except (ValueError, zlib.error) as e:
            self.close_connection = True
            return self.js(413, {"error": {"message": "fakemodel: %s" % e}})
        if p == "/__rig/reset":
            st.reset()
            return self.js(200, {"ok": True})
        if p == "/__rig/stop":
            self.js(200, {"ok": True})
            threading.Thread(target=self.server.shutdown, daemon=True).start()
            return
        n = st.next()
        rec = dict(seq=n, t=round(time.time(), 3), m="POST", path=self.path[:300], ua=(self.headers.get("user-agent") or "")[:80],
                   auth=[k for k in ("authorization", "x-api-key", "x-goog-api-key", "api-key") if self.headers.get(k)])
        try:
            b = json.loads(raw or b"{}")
        except ValueError:
            b = None
        if st.a.dump and n <= st.a.dump_max and isinstance(b, dict):
            with open(os.path.join(st.a.dump, "req%05d.json" % n), "w") as f:
                json.dump({"path": self.path, "body": b}, f, indent=1)
        r = None
        tail = p.rsplit("/", 1)[-1]
        try:
            if isinstance(b, dict):
                if p.endswith("/messages/count_tokens"):
                    st.add(dict(rec, code=200, api="count_tokens"))
                    return self.js(200, {"input_tokens": max(1, len(raw) // 4)})
                if tail == "messages":
                    r = from_anthropic(b)
                elif p.endswith("/chat/completions"):
                    r = from_chat(b)
                elif tail == "responses":
                    r = from_responses(b)
                elif ":" in tail:
                    model, verb = tail.rsplit(":", 1)
                    if verb == "countTokens":
                        st.add(dict(rec, code=200, api="countTokens"))
                        return self.js(200, {"totalTokens": max(1, len(raw) // 4)})
                    if verb in ("generateContent", "streamGenerateContent"):
                        r = from_gemini(b, model, verb.startswith("stream"))
        except Exception as e:  # a body we cannot read is the client's error, and is seen in the log
            st.add(dict(rec, code=400, err=repr(e)[:300]))
            return self.js(400, {"error": {"type": "invalid_request_error", "message": "fakemodel: %r" % e}})
        if r is None:
            st.add(dict(rec, code=404, body=raw[:200].decode("utf8", "replace")))
            return self.js(404, {"error": {"type": "not_found_error", "message": "fakemodel: no such path"}})
        with st.lock:
            over = st.inflight >= st.a.max_inflight
            st.inflight += 0 if over else 1
        if over:
            return self.js(429, {"error": {"type": "rate_limit_error", "message": "fakemodel: too many at once"}})
        try:
            self.answer(st, n, rec, r, len(raw))
        finally:
            with st.lock:
                st.inflight -= 1

    def answer(self, st, n, rec, r, size):
        r.raw_len = size
        items, meta = plan(r, st)
        users = [e[1] for e in r.events if e[0] == "user"]
        rec.update(api=r.api, model=r.model, stream=r.stream, ntools=len(r.tools), tools=[t["ns"] + t["name"] for t in r.tools][:80],
                   last_user=(users[-1] if users else "")[-300:], nevents=len(r.events), step=meta["step"], steps=meta["steps"],
                   note=meta["note"], calls=[dict(name=i["ns"] + i["name"], args=i["args"]) for i in items if i["kind"] == "call"])
        rec["last_tool"] = next((e[1][-300:] for e in reversed(r.events) if e[0] == "tool"), None)
        if meta["error"]:
            rec.update(code=meta["error"])
            st.add(rec)
            ty = {429: "rate_limit_error", 529: "overloaded_error", 401: "authentication_error", 400: "invalid_request_error"}.get(meta["error"], "api_error")
            body = {"type": "error", "error": {"type": ty, "message": "scripted error", "code": meta["error"], "status": ty.upper()}}
            kind, secs = meta.get("limit") or (None, 0)
            at = int(time.time()) + secs
            if kind == "claude":
                body["error"]["message"] = "This request would exceed your account's rate limit. Please try again later."
                return self.js(429, body, [("retry-after", str(secs)), ("anthropic-ratelimit-unified-status", "rejected"),
                    ("anthropic-ratelimit-unified-reset", str(at)), ("anthropic-ratelimit-unified-representative-claim", "five_hour"),
                    ("anthropic-ratelimit-unified-overage-status", "rejected"), ("anthropic-ratelimit-unified-overage-disabled-reason", "out_of_credits"),
                    ("anthropic-ratelimit-unified-5h-status","rejected"),("anthropic-ratelimit-unified-5h-reset",str(at)),("anthropic-ratelimit-unified-5h-utilization","1.0")])
            if kind == "codex":
                return self.js(429, {"error": {"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus", "resets_at": at, "resets_in_seconds": secs}},
                    [("x-codex-primary-used-percent","100.0"),("x-codex-primary-window-minutes","300"),("x-codex-primary-reset-at",str(at)),("x-codex-secondary-used-percent","40.0"),("x-codex-secondary-window-minutes","10080"),("x-codex-secondary-reset-at",str(at+9999))])
            if kind == "quota":
                return self.js(429, {"error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "You exceeded your current quota, please check your plan and billing details."}})
            if kind == "credit":
                return self.js(400, {"type":"error","error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}})
            return self.js(meta["error"], body, [("retry-after", "1")] if meta["error"] in (429, 529, 503) else [])
        t0 = time.time()
        out = Out(self, "text/event-stream; charset=utf-8") if r.stream else Sink(self)
        em = EMIT[r.api](out, r, meta, n, st.a.delay if r.tools else 0)
        try:
            em.run(items)
            if not r.stream:
                self.js(200, whole(r.api, out.ev, r))
            rec["outcome"] = "completed"
        except Gone as e:
            rec["outcome"] = "aborted: %s" % e
            self.close_connection = True
        rec.update(code=200, ms=int((time.time() - t0) * 1000), text=em.text[-200:])
        st.add(rec)


def main():
    ap = argparse.ArgumentParser(description="scripted fake model server, loopback only")
    ap.add_argument("--port", type=int, default=0)
    ap.add_argument("--delay", type=int, default=0, help="ms between text chunks when the script says nothing")
    ap.add_argument("--log", help="append one JSON line per finished request")
    ap.add_argument("--dump", help="folder for whole request bodies")
    ap.add_argument("--dump-max", type=int, default=500)
    ap.add_argument("--max-life", type=int, default=3600, help="seconds; then it stops by itself")
    ap.add_argument("--max-inflight", type=int, default=64)
    ap.add_argument("--port-file", help="write the bound port here when ready")
    ap.add_argument("--default", default="", help="the script of a prompt without directives")
    a = ap.parse_args()
    global DEFAULT
    DEFAULT = a.default
    if a.dump:
        os.makedirs(a.dump, exist_ok=True)
    Server.daemon_threads = True
    Server.request_queue_size = 64
    srv = Server(("127.0.0.1", a.port), H)
    srv.st = State(a)
    port = srv.server_address[1]
    if a.port_file:
        with open(a.port_file + ".tmp", "w") as f:
            f.write(str(port))
        os.rename(a.port_file + ".tmp", a.port_file)
    print(json.dumps({"ready": True, "port": port, "pid": os.getpid()}), flush=True)
    t = threading.Timer(a.max_life, srv.shutdown)
    t.daemon = True
    t.start()
    try:
        srv.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
