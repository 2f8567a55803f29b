async () => {
  try {
    await navigator.clipboard.writeText(window.location.href);
  } catch { // of pages without https browsers keep it
    const field = Object.assign(document.createElement("textarea"), {value: window.location.href});
    const focused = document.activeElement;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    focused?.focus();
  }
}
