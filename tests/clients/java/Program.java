// A client of Rowcast from openapi-generator's `java`: it writes, pages, changes, deletes, follows, and is refused. Each
// assertion stops it.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;

import rowcast.ApiClient;
import rowcast.ApiException;
import rowcast.JSON;
import rowcast.api.MessageApi;
import rowcast.api.RoomApi;
import rowcast.model.ConnectedEvent;
import rowcast.model.FieldError;
import rowcast.model.Message;
import rowcast.model.MessagePage;
import rowcast.model.MessagePatch;
import rowcast.model.NewMessage;
import rowcast.model.NewMessageEvent;
import rowcast.model.Problem;
import rowcast.model.Room;
import rowcast.model.StreamEvent;

class Program {
  private final String url;
  private final String room = "java-" + UUID.randomUUID().toString().substring(0, 8);
  private final UUID sender = UUID.randomUUID();
  private final MessageApi messages;
  private final RoomApi rooms;

  Program(String url) {
    this.url = url;
    ApiClient client = new ApiClient();
    client.updateBaseUri(url);
    messages = new MessageApi(client);
    rooms = new RoomApi(client);
  }

  public static void main(String[] arguments) throws Exception {
    new Program(arguments[0]).run();
  }

  private void run() throws Exception {
    Iterator<StreamEvent> events = follow();
    assert events.next().getActualInstance() instanceof ConnectedEvent connected && !connected.getResumed();
    List<Message> written = post();
    assert events.next().getActualInstance() instanceof NewMessageEvent event
        && event.getData().getId().equals(written.get(0).getId());

    page(written);
    patch(written.get(0));
    delete(written.get(1));
    refuse();

    List<Room> found = rooms.listRooms(null, null, room).getRooms();
    assert found.equals(List.of(new Room().room(room).messages(99L).lastMessage(written.get(99)))) : found;
  }

  /** The events of the room. */
  private Iterator<StreamEvent> follow() throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/stream?room=" + room)).build();
    return HttpClient.newHttpClient().send(request, BodyHandlers.ofLines()).body()
        .filter(line -> line.startsWith("data: "))
        .map(line -> parse(line.substring("data: ".length()), StreamEvent.class))
        .iterator();
  }

  private List<Message> post() throws ApiException {
    List<Message> written = new ArrayList<>();
    for (int number = 0; number < 100; number++) {
      String content = number + ": þings like ひらがな and 🌊";
      Message message = messages.postMessage(new NewMessage().room(room).content(content).senderId(sender), null);
      assert message.getContent().equals(content) && message.getSenderId().equals(sender) : message;
      written.add(message);
    }
    return written;
  }

  /** All messages are read once, newest first, thirty at a time. */
  private void page(List<Message> written) throws ApiException {
    List<Message> read = new ArrayList<>();
    List<Integer> sizes = new ArrayList<>();
    String cursor = null;
    do {
      MessagePage page = messages.listMessages(cursor, 30, room, null);
      read.addAll(page.getMessages());
      sizes.add(page.getMessages().size());
      cursor = page.getNextCursor();
    } while (cursor != null);
    Collections.reverse(read);
    assert sizes.equals(List.of(30, 30, 30, 10)) : sizes;
    assert read.equals(written) : read;
  }

  private void patch(Message message) throws ApiException {
    MessagePatch patch = new MessagePatch().content("changed");
    patch.setFile("a.txt");
    Message changed = messages.patchMessage(message.getId(), patch);
    Message again = messages.getMessage(message.getId());
    assert again.equals(changed) : again;
    assert again.getContent().equals("changed") && "a.txt".equals(again.getFile()) : again;
    OffsetDateTime updated = again.getUpdatedDate();
    assert message.getUpdatedDate() == null && updated != null && updated.isAfter(again.getCreatedDate()) : again;
  }

  private void delete(Message message) throws ApiException {
    messages.deleteMessage(message.getId());
    Problem gone = problem(() -> messages.getMessage(message.getId()));
    assert gone.getStatus() == 404 && gone.getType().equals("urn:rowcast:problem:not-found") : gone;
  }

  private void refuse() {
    Problem empty = problem(() -> messages.postMessage(new NewMessage().room(room).content("").senderId(sender), null));
    assert fields(empty).equals(List.of("content")) : empty;
    Problem unnamed = problem(() -> messages.listMessages(null, null, "no room", null));
    assert fields(unnamed).equals(List.of("room")) : unnamed;
  }

  private static List<String> fields(Problem problem) {
    return problem.getErrors().stream().map(FieldError::getField).toList();
  }

  /** The problem with which this is refused. */
  private static Problem problem(Callable<?> call) {
    try {
      throw new AssertionError("not refused: " + call.call());
    } catch (ApiException refused) {
      return parse(refused.getResponseBody(), Problem.class);
    } catch (Exception other) {
      throw new AssertionError(other);
    }
  }

  private static <T> T parse(String json, Class<T> type) {
    try {
      return JSON.getDefault().getMapper().readValue(json, type);
    } catch (Exception malformed) {
      throw new AssertionError(json, malformed);
    }
  }
}
