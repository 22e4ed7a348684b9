package dev.manticore.runtime;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_ATTR_MULTIPLE_POST_OP_BASE;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SCRATCHPAD;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC_1;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.dnnl_binary_add;
import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_matmul_primitive_desc_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_create_with_strides;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_desc_get_size;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_set_data_handle;
import static org.bytedeco.dnnl.global.dnnl.dnnl_post_ops_append_binary;
import static org.bytedeco.dnnl.global.dnnl.dnnl_post_ops_append_sum;
import static org.bytedeco.dnnl.global.dnnl.dnnl_post_ops_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_post_ops_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_attr_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_attr_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_attr_set_post_ops;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_attr_set_scratchpad_mode;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_desc_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_desc_query_md;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_destroy;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_execute;
import static org.bytedeco.dnnl.global.dnnl.dnnl_query_scratchpad_md;
import static org.bytedeco.dnnl.global.dnnl.dnnl_scratchpad_mode_user;
import static org.bytedeco.dnnl.global.dnnl.dnnl_stream_create;
import static org.bytedeco.dnnl.global.dnnl.dnnl_stream_default_flags;
import static org.bytedeco.dnnl.global.dnnl.dnnl_stream_destroy;

import com.google.common.collect.ImmutableList;
import dev.manticore.kernels.Parallel;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentMap;
import org.bytedeco.dnnl.dnnl_exec_arg_t;
import org.bytedeco.dnnl.dnnl_memory;
import org.bytedeco.dnnl.dnnl_memory_desc;
import org.bytedeco.dnnl.dnnl_post_ops;
import org.bytedeco.dnnl.dnnl_primitive;
import org.bytedeco.dnnl.dnnl_primitive_attr;
import org.bytedeco.dnnl.dnnl_primitive_desc;
import org.bytedeco.dnnl.dnnl_stream;
import org.bytedeco.javacpp.BytePointer;

/**
 * A product of matrices of certain extents, {@code c = a b + addends} or {@code c += a b}, by
 * oneDNN, whose inner loops come nearer to what a core can do than those of ONNX Runtime. It is cut
 * into one piece a thread. May be computed by several threads at once.
 */
final class MatrixProduct implements AutoCloseable {

  /**
   * The extents, all row after row without gaps.
   *
   * @param transposedA whether a is stored [depth, rows], else [rows, depth]
   * @param transposedB whether b is stored [columns, depth], else [depth, columns]
   * @param addends rows of each addend: 1, which is added to all rows, or as many as the product
   * @param summed whether the product is added to what c holds
   */
  record Extents(
      boolean transposedA,
      boolean transposedB,
      long rows,
      long columns,
      long depth,
      ImmutableList<Long> addends,
      boolean summed) {}

  /** Rows or columns of a piece, at least; of fewer, packing the other operand shows. */
  private static final int LEAST = 64;

  /** Rows and columns of all pieces but the last are whole vectors. */
  private static final int VECTOR = 16;

  private static final int BYTES = Float.BYTES;

  /** Memory that a product works in; it goes with its thread. */
  private static final ThreadLocal<BytePointer> SCRATCH = new ThreadLocal<>();

  private final Extents extents;
  private final int down;
  private final int across;
  private final long height;
  private final long width;
  private final ConcurrentMap<Long, Piece> pieces = new ConcurrentHashMap<>();

  /**
   * @param threads that will share it
   */
  MatrixProduct(Extents extents, int threads) {
    this.extents = extents;
    boolean tall = extents.rows() >= extents.columns();
    int first = pieces(tall ? extents.rows() : extents.columns(), threads);
    int second = pieces(tall ? extents.columns() : extents.rows(), (threads + first - 1) / first);
    this.down = tall ? first : second;
    this.across = tall ? second : first;
    this.height = extent(extents.rows(), down);
    this.width = extent(extents.columns(), across);
    NativeHandles.opened();
  }

  private static int pieces(long extent, int wanted) {
    return (int) Math.max(1, Math.min(wanted, extent / LEAST));
  }

  private static long extent(long whole, int pieces) {
    return ((whole + pieces - 1) / pieces + VECTOR - 1) / VECTOR * VECTOR;
  }

  /** Computes c; all are addresses. */
  void compute(Parallel parallel, long a, long b, long[] addends, long c) {
    parallel.run(
        down * across,
        piece -> {
          long row = piece % down * height;
          long column = piece / down * width;
          long high = Math.min(height, extents.rows() - row);
          long wide = Math.min(width, extents.columns() - column);
          if (high <= 0 || wide <= 0) {
            return;
          }
          long[] added = new long[addends.length];
          for (int i = 0; i < added.length; i++) {
            long down = extents.addends().get(i) == 1 ? 0 : row * extents.columns();
            added[i] = addends[i] + BYTES * (down + column);
          }
          pieces
              .computeIfAbsent(high * extents.columns() + wide, key -> new Piece(high, wide))
              .compute(
                  a + BYTES * row * (extents.transposedA() ? 1 : extents.depth()),
                  b + BYTES * column * (extents.transposedB() ? extents.depth() : 1),
                  added,
                  c + BYTES * (row * extents.columns() + column));
        });
  }

  @Override
  public void close() {
    pieces.values().forEach(Piece::close);
    pieces.clear();
    NativeHandles.closed();
  }

  /** The product for so many rows and columns, as oneDNN compiled it. */
  private final class Piece {

    private final dnnl_memory_desc a;
    private final dnnl_memory_desc b;
    private final dnnl_memory_desc c;
    private final List<dnnl_memory_desc> addends = new ArrayList<>();
    private final int firstAddend = extents.summed() ? 1 : 0;
    private final dnnl_primitive_attr attributes = new dnnl_primitive_attr();
    private final dnnl_primitive_desc description = new dnnl_primitive_desc();
    private final dnnl_primitive primitive = new dnnl_primitive();
    private final dnnl_memory_desc scratch;
    private final Queue<Execution> idle = new ConcurrentLinkedQueue<>();

    Piece(long high, long wide) {
      long depth = extents.depth();
      this.a =
          extents.transposedA()
              ? matrix(high, depth, 1, extents.rows())
              : matrix(high, depth, depth, 1);
      this.b =
          extents.transposedB()
              ? matrix(depth, wide, 1, depth)
              : matrix(depth, wide, extents.columns(), 1);
      this.c = matrix(high, wide, extents.columns(), 1);
      dnnl_post_ops after = new dnnl_post_ops();
      OneDnn.check(dnnl_post_ops_create(after));
      if (extents.summed()) {
        OneDnn.check(dnnl_post_ops_append_sum(after, 1, 0, dnnl_f32));
      }
      for (long rows : extents.addends()) {
        dnnl_memory_desc addend = matrix(rows == 1 ? 1 : high, wide, extents.columns(), 1);
        addends.add(addend);
        OneDnn.check(dnnl_post_ops_append_binary(after, dnnl_binary_add, addend));
      }
      OneDnn.check(dnnl_primitive_attr_create(attributes));
      OneDnn.check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
      OneDnn.check(dnnl_primitive_attr_set_post_ops(attributes, after));
      OneDnn.check(dnnl_post_ops_destroy(after));
      OneDnn.check(
          dnnl_matmul_primitive_desc_create(
              description, OneDnn.engine(), a, b, null, c, attributes));
      OneDnn.check(dnnl_primitive_create(primitive, description));
      this.scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    }

    private static dnnl_memory_desc matrix(long rows, long columns, long down, long across) {
      dnnl_memory_desc made = new dnnl_memory_desc();
      OneDnn.check(
          dnnl_memory_desc_create_with_strides(
              made, 2, new long[] {rows, columns}, dnnl_f32, new long[] {down, across}));
      return made;
    }

    void compute(long a, long b, long[] addends, long c) {
      Execution execution = idle.poll();
      if (execution == null) {
        execution = new Execution(this);
      }
      execution.run(a, b, addends, c);
      idle.add(execution);
    }

    void close() {
      idle.forEach(Execution::close);
      idle.clear();
      dnnl_primitive_destroy(primitive);
      dnnl_primitive_desc_destroy(description);
      dnnl_primitive_attr_destroy(attributes);
      dnnl_memory_desc_destroy(a);
      dnnl_memory_desc_destroy(b);
      dnnl_memory_desc_destroy(c);
      addends.forEach(addend -> dnnl_memory_desc_destroy(addend));
    }
  }

  /** What one thread at a time runs a piece with. */
  private static final class Execution {

    private final dnnl_primitive primitive;
    private final long scratchBytes;
    private final dnnl_stream stream = new dnnl_stream();
    private final List<dnnl_memory> memories = new ArrayList<>();
    private final dnnl_exec_arg_t arguments;

    Execution(Piece piece) {
      this.primitive = piece.primitive;
      this.scratchBytes = dnnl_memory_desc_get_size(piece.scratch);
      OneDnn.check(dnnl_stream_create(stream, OneDnn.engine(), dnnl_stream_default_flags));
      this.arguments = new dnnl_exec_arg_t(4 + piece.addends.size());
      add(DNNL_ARG_SRC, piece.a);
      add(DNNL_ARG_WEIGHTS, piece.b);
      add(DNNL_ARG_DST, piece.c);
      add(DNNL_ARG_SCRATCHPAD, piece.scratch);
      for (int i = 0; i < piece.addends.size(); i++) {
        add(operandOfPostOperation(piece.firstAddend + i), piece.addends.get(i));
      }
    }

    /** The macro {@code DNNL_ARG_ATTR_MULTIPLE_POST_OP(index) | DNNL_ARG_SRC_1}. */
    private static int operandOfPostOperation(int index) {
      return DNNL_ARG_ATTR_MULTIPLE_POST_OP_BASE * (index + 1) | DNNL_ARG_SRC_1;
    }

    private void add(int argument, dnnl_memory_desc description) {
      dnnl_memory memory = new dnnl_memory();
      OneDnn.check(dnnl_memory_create(memory, description, OneDnn.engine(), new RawPointer(0)));
      arguments.position(memories.size()).arg(argument).memory(memory);
      memories.add(memory);
    }

    void run(long a, long b, long[] addends, long c) {
      place(0, a);
      place(1, b);
      place(2, c);
      place(3, scratchBytes == 0 ? 0 : scratch(scratchBytes).address());
      for (int i = 0; i < addends.length; i++) {
        place(4 + i, addends[i]);
      }
      OneDnn.check(
          dnnl_primitive_execute(primitive, stream, memories.size(), arguments.position(0)));
    }

    private void place(int index, long address) {
      OneDnn.check(dnnl_memory_set_data_handle(memories.get(index), new RawPointer(address)));
    }

    private static BytePointer scratch(long bytes) {
      BytePointer memory = SCRATCH.get();
      if (memory == null || memory.capacity() < bytes) {
        memory = new BytePointer(bytes);
        SCRATCH.set(memory);
      }
      return memory;
    }

    void close() {
      memories.forEach(memory -> dnnl_memory_destroy(memory));
      dnnl_stream_destroy(stream);
      arguments.close();
    }
  }
}
