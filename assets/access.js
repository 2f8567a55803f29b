// For those who hear the page, use it without a mouse or want nothing to move: what Gradio's components leave out.
// Rules are of kinds of components, and hold for those that come later too.
() => {
  const SOONEST = 5; // seconds between two announcements of work that goes on
  const WAIT = 2; // and before the first, so that what is quick is not talked about
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const all = (what) => [...document.querySelectorAll(what)];
  const set = (what, attributes) => {
    for (const element of all(what))
      for (const [name, value] of Object.entries(attributes))
        if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  };

  const mend = () => {
    set(".empty[aria-label]", {role: "img", "aria-label": "Nothing here yet"});
    set(".block.message", {role: "status"}); // what was found in the photo and heard in the voice
    set("footer button > img", {alt: "", "aria-hidden": "true"}); // its button says the same
    // Gradio gives each choice a name of its own, so arrow keys do not lead from one to the next.
    all("fieldset[id] input[type=radio]").forEach((choice) => (choice.name = choice.closest("fieldset").id));
    set("pre", {tabindex: "0"}); // where it is narrow it is scrolled
    if (calm.matches) all("video[autoplay], video[loop]").filter((film) => !film.closest("#video")).forEach((film) => (film.autoplay = film.loop = false));
  };
  let due = 0;
  const later = () => (due ||= requestAnimationFrame(() => ((due = 0), mend())));
  new MutationObserver(later).observe(document.body, {childList: true, subtree: true});
  later();

  // Work shows its progress many times a second; it is told now and then, and when it has ended.
  const spoken = document.body.appendChild(document.createElement("p"));
  spoken.id = "spoken";
  spoken.role = "status";
  let since = 0, last = 0; // when the work began, and when it was last told of
  setInterval(() => {
    const now = performance.now() / 1000;
    const shown = all(".waiting, .working, [data-testid=status-tracker]:not(.hide)").find((work) => work.checkVisibility());
    if (!shown) {
      if (last) spoken.innerText = "Done.";
      since = last = 0;
      return;
    }
    since ||= now;
    if (now - since < WAIT || now - last < SOONEST) return;
    last = now;
    spoken.innerText = shown.querySelector("figcaption")?.innerText || "Working …";
  }, 500);
}
