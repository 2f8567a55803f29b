() => {
  const names = ["Eileen Collins, with a woman's voice", "Grace Hopper, with a woman's voice"];
  const name = () => {
    const faces = document.querySelectorAll("#portraits img");
    faces.forEach((face, i) => (face.alt = names[i]));
    if (!faces.length) requestAnimationFrame(name);
  };
  name();
}
