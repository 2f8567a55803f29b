() => {
  // Browsers tell no type for HEIC, or for names without an ending, and Gradio then drops the file without a word: here
  // it gets a type, and the server says what it is.
  const field = "input[type=file][accept*='image/*']";
  const listed = (files) => {
    const all = new DataTransfer();
    files.forEach((file) => all.items.add(file));
    return all.files;
  };
  const named = (file) => file.type.startsWith("image/") ? file : new File([file], file.name, {type: "image/unknown"});
  // A film that is brought as the photo goes where films are brought.
  const endings = /\.(mp4|m4v|mov|qt|mkv|webm|avi|mpe?g|m2?ts|ts|wmv|flv|3gp|ogv)$/i;
  const isFilm = ({type, name}) => type.startsWith("video/") || (!type.startsWith("image/") && endings.test(name));
  const films = () => document.querySelector("input[type=file]:has(+ #film)");
  document.addEventListener("change", (event) => {
    const {target} = event;
    if (!target.matches(field)) return;
    const files = [...target.files];
    if (target.closest("#photo") && files.some(isFilm)) {
      event.stopImmediatePropagation();
      films().files = listed(files);
      target.value = "";
      films().dispatchEvent(new Event("change", {bubbles: true}));
    } else target.files = listed(files.map(named));
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
