// What scrolls sideways can be reached with the keyboard, and copy buttons are no landmarks.
"use strict";

function reach() {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .chain")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
  for (const nav of document.querySelectorAll("nav.md-code__nav")) nav.role = "presentation";
}

let asked = 0;
function reachSoon() {
  cancelAnimationFrame(asked);
  asked = requestAnimationFrame(reach);
}

// The theme wraps tables and adds buttons after the page has loaded.
new MutationObserver(reachSoon).observe(document.body, { childList: true, subtree: true });
addEventListener("resize", reachSoon);
