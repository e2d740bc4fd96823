import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.io.JsonEncoder;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.BinaryMessageEncoder;

/** Does with Java's Avro what a line of JSON asks for: the same questions as the peer in C answers. */
public class Peer {
    static final ObjectMapper MAPPER = new ObjectMapper();

    static Schema schema(JsonNode ask, String name) {
        return new Schema.Parser().parse(ask.get(name).asText());
    }

    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder();
        for (byte b : bytes) text.append(String.format("%02x", b));
        return text.toString();
    }

    static byte[] bytes(String hex) {
        byte[] bytes = new byte[hex.length() / 2];
        for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        return bytes;
    }

    static Object fromJson(Schema schema, String json) throws Exception {
        return new GenericDatumReader<Object>(schema).read(null, DecoderFactory.get().jsonDecoder(schema, json));
    }

    static String toJson(Schema schema, Object value) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        JsonEncoder encoder = EncoderFactory.get().jsonEncoder(schema, out);
        new GenericDatumWriter<Object>(schema).write(value, encoder);
        encoder.flush();
        return new String(out.toByteArray(), StandardCharsets.UTF_8);
    }

    static byte[] encode(JsonNode ask) throws Exception {
        Schema schema = schema(ask, "schema");
        Object value = fromJson(schema, ask.get("json").asText());
        if (ask.path("framing").asInt() == 2) {
            ByteBuffer framed = new BinaryMessageEncoder<Object>(GenericData.get(), schema).encode(value);
            byte[] bytes = new byte[framed.remaining()];
            framed.get(bytes);
            return bytes;
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<Object>(schema).write(value, encoder);
        encoder.flush();
        return out.toByteArray();
    }

    static String decode(JsonNode ask) throws Exception {
        Schema writer = schema(ask, "schema"), reader = schema(ask, "reader");
        byte[] bytes = bytes(ask.get("hex").asText());
        if (ask.path("framing").asInt() == 2) {
            BinaryMessageDecoder<Object> decoder = new BinaryMessageDecoder<>(GenericData.get(), reader);
            decoder.addSchema(writer);
            return toJson(reader, decoder.decode(bytes));
        }
        return toJson(reader, new GenericDatumReader<Object>(writer, reader).read(null, DecoderFactory.get().binaryDecoder(bytes, null)));
    }

    static void answer(JsonNode ask, ObjectNode answer) throws Exception {
        switch (ask.get("op").asText()) {
            case "encode":
                answer.put("hex", hex(encode(ask)));
                break;
            case "decode":
                answer.put("json", decode(ask));
                break;
            case "describe":
                answer.put("canonical", SchemaNormalization.toParsingForm(schema(ask, "schema")));
                answer.put("fingerprint", String.format("%016x", SchemaNormalization.parsingFingerprint64(schema(ask, "schema"))));
                break;
            case "compare":
                if (SchemaCompatibility.checkReaderWriterCompatibility(schema(ask, "reader"), schema(ask, "schema")).getType()
                        == SchemaCompatibility.SchemaCompatibilityType.COMPATIBLE) answer.put("compatible", true);
                else answer.put("error", "incompatible");
                break;
            default:
                throw new IllegalArgumentException("no such question");
        }
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        for (String line; (line = in.readLine()) != null;) {
            ObjectNode answer = MAPPER.createObjectNode();
            try {
                answer(MAPPER.readTree(line), answer);
            } catch (Exception e) {
                answer.put("error", String.valueOf(e));
            }
            out.println(MAPPER.writeValueAsString(answer));
        }
    }
}
