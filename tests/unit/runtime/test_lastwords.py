"""What programs print when they have run out of memory, as they print it, and what only looks like that."""

from __future__ import annotations

import pytest

from runyard.runtime.lastwords import last_words

TORCH = """Traceback (most recent call last):
  File "/home/ann/train.py", line 212, in <module>
    main()
  File "/home/ann/.venv/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 125, in forward
    return F.linear(input, self.weight, self.bias)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB of \
which 11.55 GiB is free. Including non-PyTorch memory, this process has 67.54 GiB memory in use.
"""
TORCH_2 = """    return self._call_impl(*args, **kwargs)
torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 23.69 GiB total capacity; 21.03 \
GiB already allocated; 1.63 GiB free; 21.25 GiB reserved in total by PyTorch)
"""
TORCH_1 = "RuntimeError: CUDA out of memory. Tried to allocate 978.00 MiB (GPU 0; 15.90 GiB total capacity)\n"
TORCH_ASYNC = """RuntimeError: CUDA error: out of memory
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
"""
TORCHRUN = """[rank0]: Traceback (most recent call last):
[rank0]:   File "/home/ann/ddp.py", line 40, in <module>
[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 40.00 GiB. GPU 0 has a total capacity
E0712 10:24:21.125000 140 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: 1) local_rank: 0
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
ddp.py FAILED
"""
TORCH_CPU = """RuntimeError: [enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you \
tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)
"""
CUBLAS = "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`\n"
NCCL = """torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:3356, unhandled cuda error
Last error:
Cuda failure 2 'out of memory'
"""
JAX = """jax.errors.SimplifiedTraceback: For simplicity, JAX has removed its internal frames from the traceback.

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/home/ann/flax_train.py", line 88, in <module>
jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 34359738368 bytes.
BufferAssignment OOM Debugging.
BufferAssignment stats:
             parameter allocation:         0B
"""
JAX_2 = "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 32.00GiB on device ordinal 0\n"
JAX_3 = """    outs = fun(*args)
           ^^^^^^^^^^
jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 17592186044416 bytes.
--------------------
For simplicity, JAX has removed its internal frames from the traceback of the following exception. Set \
JAX_TRACEBACK_FILTERING=off to include these.
"""
TENSORFLOW = """tensorflow.python.framework.errors_impl.ResourceExhaustedError: Graph execution error:

Detected at node 'model/conv2d/Conv2D' defined at (most recent call last):
OOM when allocating tensor with shape[256,64,224,224] and type float on /job:localhost/replica:0/task:0/device:GPU:0
\t [[{{node model/conv2d/Conv2D}}]]
Hint: If you want to see a list of allocated tensors when OOM happens, add report_tensor_allocations_upon_oom
"""
NUMPY = """numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB for an array with shape (1000000, \
1000000) and data type float64
"""
PYTHON = 'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\nMemoryError\n'
CUPY = "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 8,589,934,592 bytes (allocated so far: 0 bytes).\n"
NUMBA = "numba.cuda.cudadrv.driver.CudaAPIError: [2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY\n"
CPP = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nAborted\n"
RAY = "(train pid=4711) torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
COLOURED = "\x1b[1;35mtorch.OutOfMemoryError\x1b[0m: \x1b[35mCUDA out of memory. Tried to allocate 2.00 GiB\x1b[0m\r\n"
AFTER_A_BAR = " 12%|###   | 12/100 [00:10<01:20]\rMemoryError: Unable to allocate 1.0 GiB\n"


@pytest.mark.parametrize(
    "text",
    [
        TORCH, TORCH_2, TORCH_1, TORCH_ASYNC, TORCHRUN, TORCH_CPU, CUBLAS, NCCL, JAX, JAX_2, JAX_3, TENSORFLOW, NUMPY,
        PYTHON, CUPY, NUMBA, CPP, RAY, COLOURED, AFTER_A_BAR,
    ],
)  # fmt: skip
def test_they_say_so(text: str) -> None:
    assert last_words(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "WARNING: CUDA out of memory, trying again with batch size 16\nAssertionError: loss is nan\n",
        "2026-07-12 10:24:21 E tensorflow: failed to allocate 8.00G: CUDA_ERROR_OUT_OF_MEMORY: out of memory\n",
        "  raise MemoryError('never')  # line of a traceback\nValueError: no\n",
        "caught: torch.OutOfMemoryError: CUDA out of memory\n",
        "google.api_core.exceptions.ResourceExhausted: 429 RESOURCE_EXHAUSTED: Quota exceeded\n",
        "ValueError: RESOURCE_EXHAUSTED is no valid state\n",
        "MemoryErrors are rare\n",
        "",
    ],
)
def test_others_only_speak_of_it(text: str) -> None:
    assert last_words(text.encode()) == ""


def test_the_line_is_told_and_of_several_the_last() -> None:
    text = "MemoryError\n" + TORCHRUN
    assert last_words(text.encode()).startswith(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 40.00 GiB"
    )


def test_long_lines_cost_no_time() -> None:
    assert last_words(b"[" * 16_384) == last_words(b"a." * 8_192) == last_words(b"(x) " * 4_096) == ""
