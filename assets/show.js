(video, close_up, whole, panels, posters, captions) => {
  const views = {face: [close_up, posters[0]], full: [whole, posters[1]]};
  if (![close_up.path, whole.path].includes(video.path)) views.crop = [video, posters[0]];
  document.querySelector("#video").show(views, panels, captions?.find((file) => file.path.endsWith(".vtt")));
}
