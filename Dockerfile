# docker build -t atvg . && docker run --rm -p 7860:7860 atvg

FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/atvg
ENV PATH=/opt/atvg/bin:$PATH
WORKDIR /src
COPY requirements.txt ./
# PyTorch from its own index, without the gigabytes of CUDA. OpenCV's desktop build wants libGL, which a slim image
# lacks: the headless one of the same version takes its place.
RUN pip install --index-url "$TORCH_INDEX" "$(grep -oE '^torch==[0-9.]+' requirements.txt)" \
 && pip install -r requirements.txt \
 && pip install --force-reinstall --no-deps \
    "opencv-python-headless==$(python -c 'from importlib.metadata import version; print(version("opencv-contrib-python"))')"
COPY pyproject.toml README.md LICENSE ./
COPY assets assets
COPY checkpoints checkpoints
COPY atvg atvg
RUN pip install --no-deps . && atvg doctor

FROM python:3.11-slim-bookworm
COPY --from=build /opt/atvg /opt/atvg
ENV PATH=/opt/atvg/bin:$PATH PYTHONUNBUFFERED=1 \
    GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860
RUN useradd --create-home --uid 1000 atvg
USER 1000
WORKDIR /home/atvg
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=4)"]
CMD ["atvg", "app"]
