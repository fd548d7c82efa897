"""Have a row of a matrix brought into the cache before it is needed."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_LINE_BYTES = 64
# All of a coarse row of 256 dimensions. Of longer ones the processor fetches the rest by itself, once the
# first lines were read in order.
_LINES = 4


def _prefetch_row(typing_context: Any, rows: Any, i: Any) -> Any:
    """Begin to fetch row ``i`` of a matrix whose rows are contiguous; nothing else changes.

    Among many users a draw waits for memory longer than it computes. Who will be drawn is known some draws
    before, so that rows can be on their way meanwhile.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows_type, _ = signature.args
        array = context.make_array(rows_type)(context, builder, arguments[0])
        row_bytes = cgutils.unpack_tuple(builder, array.strides)[0]
        address = builder.add(
            builder.ptrtoint(array.data, row_bytes.type), builder.mul(arguments[1], row_bytes)
        )
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        prefetch = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [pointer, number, number, number]),
            "llvm.prefetch.p0",
        )
        for line in range(_LINES):
            at = builder.add(address, ir.Constant(address.type, _LINE_BYTES * line))
            # For reading, to be kept in all levels of the cache, data.
            flags = [ir.Constant(number, flag) for flag in (0, 3, 1)]
            builder.call(prefetch, [builder.inttoptr(at, pointer), *flags])
        return context.get_dummy_value()

    return types.void(rows, types.int64), generate


prefetch_row: Any = intrinsic(_prefetch_row)
