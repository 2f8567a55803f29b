// The page's address carries what is chosen, and nothing of who is in it. `link` is from atvg/studio/link.py.
(link, values) => {
  if (!window.linkRead) return; // it has not yet been read itself
  const address = new URL(window.location);
  link.names.forEach((name, i) => {
    let value = values[i];
    if (name in link.examples) value = link.examples[name][value?.path] ?? null;
    else if (value === link.defaults[name]) value = null;
    if (value === null || value === undefined) address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  });
  const tab = document.querySelector("[role=tab][aria-selected=true]")?.id.replace(/^tab-|-button$/g, "");
  if (!tab || tab === link.tab) address.searchParams.delete("tab");
  else address.searchParams.set("tab", tab);
  if (address.href !== window.location.href) window.history.replaceState(window.history.state, "", address);
}
