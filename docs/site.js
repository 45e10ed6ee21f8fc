// Wide tables scroll in a container of their own; the keyboard reaches it only if it can have the focus (WCAG 2.1.1).
document$.subscribe(() => {
  for (const container of document.querySelectorAll(".md-typeset__scrollwrap")) container.tabIndex = 0;
});
