() => requestAnimationFrame(() => window.dispatchEvent(new Event("resize")))
