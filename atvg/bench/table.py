"""What a person reads of the figures."""

from typing import Any


def to_table(result: dict[str, Any]) -> str:
    """The figures of `atvg.bench.run.bench` as Markdown."""
    lines = [
        f"{result['machine']['cpus']} CPUs, {result.get('gpu', result['machine']['device'])}, engine "
        f"{result['engine']}, torch {result['torch']}, {result['seconds_of_audio']:g} s of audio, photo "
        f"{result['photo']}, median of {result['runs']} runs",
        "",
        "| stage | seconds | least – greatest | frames/s | real-time factor |",
        "|---|---|---|---|---|",
    ]
    for name, figures in result["stages"].items():
        speed, factor = figures.get("frames_per_second"), figures.get("real_time_factor")
        lines.append(
            f"| {name} | {figures['median']:.3f} | {figures['least']:.3f} – {figures['greatest']:.3f} "
            f"| {f'{speed:.0f}' if speed else ''} | {f'{factor:.3f}' if factor else ''} |"
        )
    lines += [
        "",
        f"load {result['load_seconds']:.1f} s, first frame of a new process {result['first_use_seconds']:.1f} s later, "
        f"peak memory {result['peak_memory_mb']:.0f} MB without ffmpeg's  ",
    ]
    if result["live"]:
        live = result["live"]
        lines += [
            f"live, in pieces of {live['piece_seconds']:g} s: {1000 * live['median']:.0f} ms a piece "
            f"({1000 * live['least']:.0f} – {1000 * live['greatest']:.0f}), look-ahead "
            f"{1000 * live['look_ahead_seconds']:.0f} ms; frames are drawn at most "
            f"{1000 * live['latency_seconds']:.0f} ms after their sound  "
        ]
    lines += ["", box_table(result["box"])]
    lines += [
        "",
        "| film dubbed | look, seconds per second | then the first frames, s | whole, real-time factor "
        "| least – greatest, s | peak memory, MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for film in result["dubs"]:
        whole = film["whole"]
        lines.append(
            f"| {film['size']}, face of {film['face_pixels']} pixels | {film['look_factor']:.3f} "
            f"| {film['first_frames']['median']:.2f} | {film['real_time_factor']:.3f} "
            f"| {whole['least']:.2f} – {whole['greatest']:.2f} | {film['peak_memory_mb']:.0f} |"
        )
    if "authors" in result:
        theirs = result["authors"]
        lines += [
            "",
            f"VG-net, in turns: one of the authors' size in PyTorch {theirs['theirs_frames_per_second']:.1f} frames/s; "
            f"ours with {result['engine']} {theirs['ours_frames_per_second']:.0f}, {theirs['ratio']:.1f} times as fast "
            f"({theirs['least_ratio']:.1f} – {theirs['greatest_ratio']:.1f}); ours in PyTorch too "
            f"{theirs['ours_in_pytorch_frames_per_second']:.0f}, {theirs['ratio_in_pytorch']:.1f} times as fast",
        ]
    if "app" in result:
        app = result["app"]
        lines += [
            "",
            f"the app: its page answers after {app['page_seconds']:.1f} s, all is loaded after "
            f"{app['ready_seconds']:.1f}; {app['rest_mb']:.0f} MB at rest, at most {app['first_mb']:.0f} in the first "
            f"video and {app['drawing_mb']:.0f} over {app['videos']}, {app['after_mb']:.0f} MB after them",
        ]
    if "curve" in result:
        lines += ["", "| audio, s | seconds | real-time factor | peak memory, MB |", "|---:|---:|---:|---:|"]
        for point in result["curve"]:
            lines.append(
                f"| {point['seconds_of_audio']:g} | {point['seconds']:.1f} | {point['real_time_factor']:.3f} "
                f"| {point['peak_memory_mb']:.0f} |"
            )
    return "\n".join(lines)


def box_table(box: dict[str, dict[str, float]]) -> str:
    """The figures of `atvg.bench.boxed.time_box` as Markdown."""
    lines = ["| decoded | in the box, ms | outside, ms | price, ms |", "|---|---:|---:|---:|"]
    lines += [
        f"| {name} | {1000 * of['inside']:.0f} | {1000 * of['outside']:.0f} | {1000 * of['price']:.0f} |"
        for name, of in box.items()
    ]
    return "\n".join(lines)
