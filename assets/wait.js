() => {
  // Whoever waits for their turn is told so by Gradio in a corner of what shows the progress, which is empty until then:
  // "queue: 2/3 | 4.1/30.2s", their place and the seconds that have passed, of all. Here it becomes a sentence.
  const SOONEST = 1; // seconds: most have their turn at once
  const MANY = 120; // seconds, from which on minutes are told
  const texts = $TEXTS;
  const place = document.querySelector("#live");
  const waiting = document.createElement("figure");
  waiting.className = "waiting";
  waiting.hidden = true;
  const said = waiting.appendChild(document.createElement("figcaption"));
  place.before(waiting);
  setInterval(() => {
    const told = place.querySelector(".progress-text")?.textContent ?? "";
    const [, before, passed, all] = /queue: (\d+)\/\d+ \|\s*([\d.]+)(?:\/([\d.]+))?/.exec(told) ?? [];
    waiting.hidden = !(passed >= SOONEST);
    if (waiting.hidden) return;
    const left = Math.ceil(all - passed), minutes = Math.ceil(left / 60);
    const length = left > MANY ? texts.minutes.replace("{0}", minutes) : texts.seconds.replace("{0}", left);
    const when = all === undefined ? "" : left > 0 ? length : texts.soon;
    said.innerText = (before === "1" ? texts.next : texts.later.replace("{0}", before)) + when;
  }, 250);
}
