"""A flame graph as one page that needs nothing else: no network, no library.

memray's own flame graphs load their scripts from the network, which a report must not. The widths
are bytes at the peak; the roots are on top, and a click makes a frame as wide as the page.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from botproof.profiles.capture import Profile, Stack, is_machinery, owner_of, place

_SMALLEST = 0.0005
"""A frame below this share of the peak is too narrow to be seen and left out."""


@dataclass(slots=True)
class Node:
    """A frame with all that it called; `size` includes them."""

    name: str
    owner: str
    size: int = 0
    below: dict[str, Node] = field(default_factory=dict)


def tree(stacks: Iterable[Stack], project: str) -> Node:
    """Return the calls from the outermost frame inwards, without those that only import."""
    root = Node("all", "")
    for stack in stacks:
        root.size += stack.size
        node = root
        for frame in reversed(stack.frames):
            if is_machinery(frame):
                continue
            name = place(frame) if frame[0] == "<module>" else f"{frame[0]} {place(frame)}"
            node = node.below.setdefault(name, Node(name, owner_of((frame,), project)))
            node.size += stack.size
    return root


def flame_page(title: str, profile: Profile, project: str) -> str:
    """Return the page, as HTML."""
    root = tree(profile.stacks, project)
    data = json.dumps(_packed(root, root.size * _SMALLEST), separators=(",", ":"))
    # Names may hold anything, and "</script>" would end the script.
    return _PAGE.replace("@TITLE@", html.escape(title)).replace(
        "@DATA@", data.replace("<", "\\u003c")
    )


def _packed(node: Node, least: float) -> list[object]:
    below = sorted(node.below.values(), key=lambda child: child.size, reverse=True)
    children = [_packed(child, least) for child in below if child.size >= least]
    return [node.name, node.owner, node.size, children]


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>
:root { color-scheme: light dark; --line: #fff; --text: #111; --back: #fff; --soft: #666 }
@media (prefers-color-scheme: dark) { :root { --line: #14171a; --text: #eee; --back: #14171a;
  --soft: #999 } }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1rem; color: var(--text);
  background: var(--back) }
h1 { font-size: 1.1rem; margin: 0 0 .25rem } p { margin: 0 0 .75rem; color: var(--soft) }
#graph { position: relative }
#graph div { position: absolute; height: 18px; box-sizing: border-box; overflow: hidden;
  border: 1px solid var(--line); border-radius: 3px; padding: 0 3px; white-space: nowrap;
  font: 11px/16px ui-monospace, monospace; color: #111; cursor: pointer }
#graph div:hover { filter: brightness(1.12) }
</style></head><body>
<h1>@TITLE@</h1>
<p id="said">Bytes at the peak; the outermost call is on top. Colours are libraries; click to zoom,
click the top to go back.</p>
<div id="graph"></div>
<script>
const root = @DATA@, graph = document.getElementById("graph"), ROW = 18;
const mb = bytes => (bytes / 1e6).toFixed(2) + " MB";
const hue = name => [...name].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 360, 7);
function draw(top) {
  graph.replaceChildren();
  let deepest = 0;
  (function place(node, left, width, depth) {
    if (width < 0.05) return;
    deepest = Math.max(deepest, depth);
    const box = document.createElement("div");
    box.style.cssText = `left:${left}%;width:${width}%;top:${depth * ROW}px`;
    if (width < 1) box.style.padding = "0";
    box.style.background = node[1] ? `hsl(${hue(node[1])} 65% 72%)` : "#c9ced6";
    box.textContent = node[0];
    box.title = `${node[0]}\\n${node[1] || "python"}\\n${mb(node[2])}, ` +
      (100 * node[2] / root[2]).toFixed(1) + " % of the peak";
    box.onclick = () => draw(node === top ? root : node);
    graph.append(box);
    let at = left;
    for (const child of node[3]) {
      const share = width * child[2] / node[2];
      place(child, at, share, depth + 1);
      at += share;
    }
  })(top, 0, 100, 0);
  graph.style.height = (deepest + 2) * ROW + "px";
}
draw(root);
</script></body></html>
"""
