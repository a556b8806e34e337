# vqspeech on a CPU: docker build -t vqspeech . && docker run --rm -v "$PWD:/work" vqspeech convert --src a.wav --like b.wav --out c.wav
# With CUDA:         docker build -t vqspeech:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126 .
#                    docker run --rm --gpus all -v "$PWD:/work" vqspeech:cuda train …
# The wheels of torch bring CUDA's libraries: the image needs none, and the host only the driver.
FROM python:3.12-slim AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/vqspeech \
 && /opt/vqspeech/bin/pip install --no-cache-dir -c constraints.txt --index-url "$TORCH_INDEX" torch
COPY vqspeech vqspeech
RUN /opt/vqspeech/bin/pip install --no-cache-dir -c constraints.txt '.[train]' \
 && find /opt/vqspeech -name __pycache__ -prune -exec rm -r {} +

FROM python:3.12-slim
# The user of the host's files: docker build --build-arg UID=$(id -u)
ARG UID=1000
RUN useradd --uid "$UID" --create-home vqspeech
COPY --from=build /opt/vqspeech /opt/vqspeech
ENV PATH=/opt/vqspeech/bin:$PATH PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/home/vqspeech/.cache/numba
USER vqspeech
WORKDIR /work
ENTRYPOINT ["vqspeech"]
CMD ["--help"]
