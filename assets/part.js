// A new voice is used from its beginning to its end; the first one after a link as the link says.
(voice, start, end) => {
  const said = voice && window.linkPart;
  if (voice) window.linkPart = false;
  return said ? [voice, start, end] : [voice, 0, 0];
}
