() => {
  // Browsers tell no type for HEIC, or for names without an ending, and Gradio then drops the file without a word: here
  // it gets a type, and the server says what it is.
  const field = "input[type=file][accept*='image/*']";
  const named = (files) => {
    const all = new DataTransfer();
    for (const file of files)
      all.items.add(file.type.startsWith("image/") ? file : new File([file], file.name, {type: "image/unknown"}));
    return all.files;
  };
  document.addEventListener("change", ({target}) => {
    if (target.matches(field)) target.files = named(target.files);
  }, true);
  document.addEventListener("drop", (event) => {
    const input = event.target.closest(".block")?.querySelector(field);
    if (!input || !event.dataTransfer.files.length) return;
    event.preventDefault();
    event.stopPropagation();
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
  }, true);
  // What a browser cannot show is empty, not broken, until its JPEG has come.
  for (const kind of ["error", "load"])
    document.addEventListener(kind, ({target}) => {
      if (target.matches?.("#photo img, #other img")) target.style.visibility = kind === "load" ? "" : "hidden";
    }, true);
}
