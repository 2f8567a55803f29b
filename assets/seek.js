(frame, fps) => {
  const film = document.querySelector("#panels video");
  if (film) {
    film.pause();
    film.currentTime = (frame + 0.5) / fps;
  }
  return frame;
}
