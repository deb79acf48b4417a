"""The precision that a peer computes in when it is tuned: what lateral chooses by itself."""

import torch

CPU = torch.cpu.get_capabilities()
# Without instructions for it, bfloat16 is slower than float32 on a CPU.
DTYPE = torch.bfloat16 if CPU.get("avx512_bf16") or CPU.get("amx_bf16") else torch.float32
