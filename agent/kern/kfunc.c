/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kfunc.c - calls of kernel functions that not every kernel has: the number that stands for one in
 * the object becomes the function's type id. libbpf would do it for an extern, see cut.bpf.c.
 */
#include <string.h>
#include <bpf/btf.h>
#include "kern_internal.h"

/* Return: how many calls there were. */
static int replace_calls(struct bpf_insn *insn, size_t n, __s32 stands_for, __s32 btf_id)
{
	int found = 0;

	for (size_t i = 0; i < n; i++) {
		if (insn[i].code != (BPF_JMP | BPF_CALL) || insn[i].src_reg ||
		    insn[i].imm != stands_for)
			continue;
		insn[i].src_reg = BPF_PSEUDO_KFUNC_CALL;
		insn[i].imm = btf_id; /* offset 0: in the kernel itself, not in a module */
		found++;
	}
	return found;
}

int bh_kfunc_bind(struct bh_kern *k)
{
	struct bpf_program *prog = k->prog[BH_PROG_CUT_TCP];
	size_t n = bpf_program__insn_cnt(prog);
	_cleanup_free_ struct bpf_insn *insn = NULL;

	if (!bh_has(k, BH_FEAT_SOCK_DESTROY))
		return 0;
	insn = calloc(n, sizeof(*insn));
	if (!insn)
		return -ENOMEM;
	memcpy(insn, bpf_program__insns(prog), n * sizeof(*insn));
	if (!replace_calls(insn, n, BH_CALL_SOCK_DESTROY, k->sock_destroy_id))
		return -ENOENT;
	return bpf_program__set_insns(prog, insn, n);
}
