package bench;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Reads what the rules need of one JSON event, straight from its bytes. One instance is used again and again; texts are places in the
 * array that was parsed last, still with their escapes.
 */
final class EventParser {
    enum Kind {
        PAGE("page.viewed"), OPENED("email.opened"), VISIT("session.started"), CLICKED("email.clicked"), DOWNLOAD("asset.downloaded"),
        FORM("form.submitted"), NEWSLETTER("newsletter.subscribed"), WEBINAR("webinar.attended"), UNSUBSCRIBED("email.unsubscribed"),
        REPLIED("email.replied"), DEMO("demo.requested"), OTHER("");

        private final byte[] name;

        Kind(String name) {
            this.name = name.getBytes(StandardCharsets.UTF_8);
        }
    }

    private static final Kind[] KINDS = Kind.values();
    private static final byte[] ID = bytes("id"), CONTACT = bytes("contact_id"), TYPE = bytes("type"), AT = bytes("occurred_at"),
            PROPERTIES = bytes("properties"), PATH = bytes("path"), FORM = bytes("form_id"), ASSET = bytes("asset_id"),
            WEBINAR = bytes("webinar_id"), PRICING = bytes("/pricing");

    byte[] json;
    Kind kind;
    long atMs;
    long idHigh, idLow;           // the id's 128 bits where it is a UUID, else a hash of it
    int idFrom, idTo;
    int contactFrom, contactTo;
    int formFrom, formTo, assetFrom, assetTo, webinarFrom, webinarTo;
    boolean isPricing;

    private int at;
    private int from, to;         // the text read last

    /** Throws IllegalArgumentException or ArrayIndexOutOfBoundsException when the value is no JSON object. */
    void parse(byte[] value) {
        json = value;
        at = 0;
        kind = Kind.OTHER;
        atMs = 0;
        isPricing = false;
        idFrom = idTo = contactFrom = contactTo = formFrom = formTo = assetFrom = assetTo = webinarFrom = webinarTo = 0;
        if (!opensObject()) throw new IllegalArgumentException("no object");
        while (nextName()) {
            if (is(ID)) readId();
            else if (is(CONTACT)) { readText(); contactFrom = from; contactTo = to; }
            else if (is(TYPE)) { readText(); kind = kindOf(); }
            else if (is(AT)) atMs = readLong();
            else if (is(PROPERTIES) && json[skipBlanks()] == '{') readProperties();
            else skipValue();
        }
    }

    private void readProperties() {
        opensObject();
        while (nextName()) {
            boolean isForm = is(FORM), isAsset = is(ASSET), isWebinar = is(WEBINAR), isPath = is(PATH);
            if (!(isForm || isAsset || isWebinar || isPath) || json[skipBlanks()] != '"') { skipValue(); continue; }
            readText();
            if (isPath) isPricing = to - from >= PRICING.length && Arrays.equals(json, from, from + PRICING.length, PRICING, 0, PRICING.length);
            else if (isForm) { formFrom = from; formTo = to; }
            else if (isAsset) { assetFrom = from; assetTo = to; }
            else { webinarFrom = from; webinarTo = to; }
        }
    }

    private void readId() {
        readText();
        idFrom = from;
        idTo = to;
        long high = 0, low = 0;
        int digits = 0;
        for (int i = from; i < to; i++) {
            int c = json[i], digit;
            if (c >= '0' && c <= '9') digit = c - '0';
            else if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
            else if (c == '-') continue;
            else { digits = -1; break; }
            if (digits++ < 16) high = high << 4 | digit; else low = low << 4 | digit;
        }
        if (digits != 32) {
            high = 0xcbf29ce484222325L;
            low = 0x9e3779b97f4a7c15L;
            for (int i = from; i < to; i++) {
                high = (high ^ json[i]) * 0x100000001b3L;
                low = Long.rotateLeft(low ^ json[i], 23) * 0xc4ceb9fe1a85ec53L;
            }
        }
        idHigh = high;
        idLow = low;
    }

    private Kind kindOf() {
        for (Kind one : KINDS) if (is(one.name)) return one;
        return Kind.OTHER;
    }

    /** Whether the text read last is this one. */
    private boolean is(byte[] text) {
        return to - from == text.length && Arrays.equals(json, from, to, text, 0, text.length);
    }

    private boolean opensObject() {
        boolean opens = json[skipBlanks()] == '{';
        at++;
        return opens;
    }

    /** Reads the name of the next field and its colon; false at the end of the object. */
    private boolean nextName() {
        int c = json[skipBlanks()];
        if (c == ',') { at++; c = json[skipBlanks()]; }
        if (c == '}') { at++; return false; }
        readText();
        if (json[skipBlanks()] != ':') throw new IllegalArgumentException("no colon");
        at++;
        return true;
    }

    private void readText() {
        if (json[skipBlanks()] != '"') throw new IllegalArgumentException("no text");
        int i = from = at + 1;
        for (byte c; (c = json[i]) != '"'; i++) if (c == '\\') i++;
        to = i;
        at = i + 1;
    }

    private long readLong() {
        int i = skipBlanks();
        boolean isNegative = json[i] == '-';
        if (isNegative) i++;
        long value = 0;
        for (int c; (c = json[i]) >= '0' && c <= '9'; i++) value = value * 10 + c - '0';
        at = i;
        return isNegative ? -value : value;
    }

    private void skipValue() {
        int c = json[skipBlanks()];
        if (c == '"') { readText(); return; }
        int depth = 0;
        for (; ; at++) {
            c = json[at];
            if (c == '"') { readText(); at--; }
            else if (c == '{' || c == '[') depth++;
            else if (c == '}' || c == ']') { if (depth-- == 0) return; if (depth == 0) { at++; return; } }
            else if (c == ',' && depth == 0) return;
        }
    }

    private int skipBlanks() {
        int i = at;
        while (json[i] <= ' ' && json[i] >= 0) i++;
        return at = i;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
