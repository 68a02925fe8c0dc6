// JSON as maps, lists, texts and numbers: for answers, which come seldom. Messages have MessageCodec.
package io.github.wsc.internal;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** JSON as maps, lists, texts and numbers. */
public final class JsonValue {
    private JsonValue() {}

    /**
     * An object's fields; none for anything else.
     *
     * @throws IllegalArgumentException if it is not valid JSON
     */
    public static Map<String, Object> object(byte[] bytes) {
        try (JsonParser json = MessageCodec.JSON.createParser(bytes)) {
            return json.nextToken() == null ? Map.of() : fields(read(json));
        } catch (IOException broken) {
            throw new IllegalArgumentException("not JSON: " + broken.getMessage(), broken);
        }
    }

    private static @Nullable Object read(JsonParser json) throws IOException {
        switch (json.currentToken()) {
            case START_OBJECT -> {
                Map<String, Object> object = new LinkedHashMap<>();
                for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
                    json.nextToken();
                    Object value = read(json);
                    if (value != null) {
                        object.put(name, value);
                    }
                }
                return object;
            }
            case START_ARRAY -> {
                List<Object> list = new ArrayList<>();
                while (json.nextToken() != JsonToken.END_ARRAY) {
                    Object value = read(json);
                    if (value != null) {
                        list.add(value);
                    }
                }
                return list;
            }
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> {
                return json.getNumberValue();
            }
            case VALUE_TRUE, VALUE_FALSE -> {
                return json.getBooleanValue();
            }
            case VALUE_STRING -> {
                return json.getText();
            }
            default -> {
                return null;
            }
        }
    }

    @SuppressWarnings("unchecked") // Objects are made above, with texts as names.
    public static Map<String, Object> fields(@Nullable Object value) {
        return value instanceof Map<?, ?> map ? (Map<String, Object>) map : Map.of();
    }

    public static List<Map<String, Object>> objects(Map<String, Object> object, String name) {
        List<Map<String, Object>> found = new ArrayList<>();
        if (object.get(name) instanceof List<?> list) {
            list.forEach(value -> found.add(fields(value)));
        }
        return found;
    }

    public static List<String> texts(Map<String, Object> object, String name) {
        List<String> found = new ArrayList<>();
        if (object.get(name) instanceof List<?> list) {
            list.forEach(value -> found.add(String.valueOf(value)));
        }
        return found;
    }

    public static String text(Map<String, Object> object, String name) {
        return object.get(name) instanceof String text ? text : "";
    }

    public static long number(Map<String, Object> object, String name) {
        return object.get(name) instanceof Number number ? number.longValue() : 0;
    }

    /** Writes maps, lists, texts, numbers and truths. */
    public static byte[] write(Map<String, ?> object) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = MessageCodec.JSON.createGenerator(bytes)) {
            write(json, object);
        } catch (IOException wrong) {
            throw new IllegalArgumentException("cannot be written as JSON: " + wrong.getMessage(), wrong);
        }
        return bytes.toByteArray();
    }

    private static void write(JsonGenerator json, Object value) throws IOException {
        if (value instanceof Map<?, ?> map) {
            json.writeStartObject();
            for (Map.Entry<?, ?> field : map.entrySet()) {
                json.writeFieldName(String.valueOf(field.getKey()));
                write(json, field.getValue());
            }
            json.writeEndObject();
        } else if (value instanceof Iterable<?> list) {
            json.writeStartArray();
            for (Object one : list) {
                write(json, one);
            }
            json.writeEndArray();
        } else if (value instanceof Number number) {
            json.writeNumber(number.longValue());
        } else if (value instanceof Boolean truth) {
            json.writeBoolean(truth);
        } else {
            json.writeString(String.valueOf(value));
        }
    }
}
