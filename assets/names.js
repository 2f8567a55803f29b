() => {
  const names = $NAMES;
  const name = () => {
    const faces = document.querySelectorAll("#portraits img");
    faces.forEach((face, i) => (face.alt = face.title = names[i]));
    if (!faces.length) requestAnimationFrame(name);
  };
  name();
}
