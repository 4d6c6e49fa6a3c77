package bench;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The bare rules on the bytes as they lie in the store; nothing is decoded into objects.
 *
 * <p>lasting points f64, fading points f64, their instant i64, last visit's day i32, last pricing week i32, is ready u8, oldest id u8,
 * number of ids u8, unused u8, then the ids of 16 bytes each (a ring once it is full), then the once-keys: kind u8, length u16, bytes.
 */
final class PackedState {
    private static final VarHandle DOUBLE = MethodHandles.byteArrayViewVarHandle(double[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
    private static final int LASTING = 0, FADING = 8, AT = 16, DAY = 24, WEEK = 28, READY = 32, OLDEST = 33, COUNT = 34, IDS = 36, ID = 16;
    private static final long MS_A_DAY = 86_400_000;
    private static final double HALF_LIFE_MS = 14.0 * MS_A_DAY, READY_AT = 100 - 1e-9, REARM_BELOW = 80 - 1e-9;

    /** Nothing to tell. */
    static final double NOTHING = -1;

    private final int idsKept;

    /** What to store; null after a repeat. */
    byte[] bytes;

    PackedState(int idsKept) {
        if (idsKept < 1 || idsKept > 127) throw new IllegalArgumentException("ids kept: 1 to 127");
        this.idsKept = idsKept;
    }

    /** Takes the event into the stored state (null: nothing is known); returns the score when the contact has just become ready. */
    double apply(byte[] stored, EventParser event) {
        if (isRepeat(stored, event)) { bytes = null; return NOTHING; }
        byte[] state = remembering(stored, event);
        double lasting = (double) DOUBLE.get(state, LASTING), fading = (double) DOUBLE.get(state, FADING);
        long before = (long) LONG.get(state, AT);
        if (event.atMs > before) {
            if (fading != 0) fading *= Math.pow(2, (before - event.atMs) / HALF_LIFE_MS);
            LONG.set(state, AT, event.atMs);
        }
        boolean isReady = state[READY] != 0 && lasting + fading >= REARM_BELOW;
        double once = 0, given = 0;
        boolean isInviting = true;
        switch (event.kind) {
            case NEWSLETTER -> once = 10;
            case FORM, DOWNLOAD -> once = 20;
            case WEBINAR -> once = 30;
            case OPENED -> given = 1;
            case CLICKED -> given = 5;
            case REPLIED -> given = 10;
            case DEMO -> given = 100;
            case UNSUBSCRIBED -> { given = -50; isInviting = false; }
            case PAGE -> given = event.isPricing && isNew(state, WEEK, (int) ((event.atMs / MS_A_DAY + 3) / 7)) ? 16 : 1;
            case VISIT -> { isInviting = isNew(state, DAY, (int) (event.atMs / MS_A_DAY)); given = isInviting ? 5 : 0; }
            default -> isInviting = false;
        }
        if (once > 0) {
            byte[] longer = withKey(state, event);
            isInviting = longer != null;
            if (longer != null) { state = longer; lasting += once; DOUBLE.set(state, LASTING, lasting); }
        }
        fading += given;
        DOUBLE.set(state, FADING, fading);
        double score = lasting + fading, told = NOTHING;
        if (isReady) isReady = score >= REARM_BELOW;
        else if (isInviting && score >= READY_AT) { isReady = true; told = score; }
        state[READY] = (byte) (isReady ? 1 : 0);
        bytes = state;
        return told;
    }

    private static boolean isRepeat(byte[] stored, EventParser event) {
        if (stored == null) return false;
        for (int i = 0, at = IDS; i < stored[COUNT]; i++, at += ID)
            if ((long) LONG.get(stored, at) == event.idHigh && (long) LONG.get(stored, at + 8) == event.idLow) return true;
        return false;
    }

    /** Returns a copy with the event's id in it: the store's cache may still hold the array itself. */
    private byte[] remembering(byte[] stored, EventParser event) {
        byte[] state;
        int place;
        if (stored == null) {
            state = new byte[IDS + ID];
            INT.set(state, DAY, -1);
            INT.set(state, WEEK, -1);
            state[COUNT] = 1;
            place = IDS;
        } else if (stored[COUNT] < idsKept) {
            place = IDS + ID * stored[COUNT];
            state = new byte[stored.length + ID];
            System.arraycopy(stored, 0, state, 0, place);
            System.arraycopy(stored, place, state, place + ID, stored.length - place);
            state[COUNT]++;
        } else {
            state = stored.clone();
            place = IDS + ID * state[OLDEST];
            state[OLDEST] = (byte) ((state[OLDEST] + 1) % idsKept);
        }
        LONG.set(state, place, event.idHigh);
        LONG.set(state, place + 8, event.idLow);
        return state;
    }

    private static boolean isNew(byte[] state, int place, int number) {
        boolean isNew = (int) INT.get(state, place) != number;
        if (isNew) INT.set(state, place, number);
        return isNew;
    }

    /** Returns the state with one more once-key, or null when it has it. */
    private static byte[] withKey(byte[] state, EventParser event) {
        int from = 0, to = 0;
        switch (event.kind) {
            case FORM -> { from = event.formFrom; to = event.formTo; }
            case DOWNLOAD -> { from = event.assetFrom; to = event.assetTo; }
            case WEBINAR -> { from = event.webinarFrom; to = event.webinarTo; }
            default -> { }
        }
        int kind = event.kind.ordinal(), size = to - from;
        for (int at = IDS + ID * state[COUNT]; at < state.length; ) {
            int length = (state[at + 1] & 0xff) << 8 | state[at + 2] & 0xff, begin = at + 3;
            at = begin + length;
            if (state[begin - 3] == kind && length == size && Arrays.equals(state, begin, at, event.json, from, to)) return null;
        }
        int end = state.length;
        byte[] longer = Arrays.copyOf(state, end + 3 + size);
        longer[end] = (byte) kind;
        longer[end + 1] = (byte) (size >> 8);
        longer[end + 2] = (byte) size;
        System.arraycopy(event.json, from, longer, end + 3, size);
        return longer;
    }
}
