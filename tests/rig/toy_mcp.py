#!/usr/bin/env python3
"""A small MCP server on standard input and output, which shows in tests whether an agent reaches the tools that it was
given: send_message(to, text) and list_tasks(). Each request is a line of JSON in the file that --log or the variable
RIG_MCP_LOG names. Needs Python 3 without any package.
"""
import argparse, json, os, sys, time
ap = argparse.ArgumentParser()
ap.add_argument("--log", default=os.environ.get("RIG_MCP_LOG"))
ap.add_argument("--name", default="rig")
a = ap.parse_args()
TOOLS = [
    {"name": "send_message", "description": "Send a message to a teammate.",
     "inputSchema": {"type": "object", "properties": {"to": {"type": "string"}, "text": {"type": "string"}},
                     "required": ["to", "text"], "additionalProperties": False}},
    {"name": "list_tasks", "description": "List the open tasks.", "annotations": {"readOnlyHint": True},
     "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False}},
]


def log(o):
    if a.log:
        with open(a.log, "a") as f:
            f.write(json.dumps(dict(o, t=round(time.time(), 3), pid=os.getpid())) + "\n")


def reply(i, **kw):
    sys.stdout.write(json.dumps(dict(jsonrpc="2.0", id=i, **kw)) + "\n")
    sys.stdout.flush()


log({"ev": "start", "argv": sys.argv[1:], "env": {k: v for k, v in os.environ.items() if k.startswith("RIG_")}, "cwd": os.getcwd()})
for line in sys.stdin:
    try:
        m = json.loads(line)
    except ValueError:
        continue
    i, me, p = m.get("id"), m.get("method"), m.get("params") or {}
    log({"ev": "rpc", "method": me, "params": p})
    if i is None:
        continue
    if me == "initialize":
        reply(i, result={"protocolVersion": p.get("protocolVersion", "2025-06-18"), "capabilities": {"tools": {}},
                         "serverInfo": {"name": a.name, "version": "0.1.0"}})
    elif me == "ping":
        reply(i, result={})
    elif me == "tools/list":
        reply(i, result={"tools": TOOLS})
    elif me == "tools/call":
        n, ar = p.get("name"), p.get("arguments") or {}
        if n == "send_message":
            reply(i, result={"content": [{"type": "text", "text": "delivered to %s" % ar.get("to")}]})
        elif n == "list_tasks":
            reply(i, result={"content": [{"type": "text", "text": json.dumps([{"id": 1, "title": "toy task", "status": "open"}])}]})
        else:
            reply(i, error={"code": -32602, "message": "unknown tool"})
    else:
        reply(i, error={"code": -32601, "message": "method not found: %s" % me})
log({"ev": "eof"})
