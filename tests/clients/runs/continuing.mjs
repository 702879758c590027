/**
 * A `fetch` for `DefaultChatTransport` that comes back with the ID of the last event that was read.
 * Without it, that transport gets the whole answer again.
 */
export function continuing() {
  let lastEventId;
  return async (url, init) => {
    const headers = new Headers(init.headers);
    if (init.method === "POST") lastEventId = undefined;
    else if (lastEventId) headers.set("Last-Event-ID", lastEventId);
    const response = await fetch(url, { ...init, headers });
    if (!response.body) return response;
    const events = wholeEvents(response.body);
    const body = new ReadableStream(
      {
        // An event at a time, when it is asked for: what was queued when the connection breaks would
        // be lost, though its ID was seen.
        async pull(controller) {
          try {
            const { done, value } = await events.next();
            if (done) return controller.close();
            lastEventId = /^id: (.*)$/m.exec(value)?.[1] ?? lastEventId;
            controller.enqueue(new TextEncoder().encode(value));
          } catch (cause) {
            // What browsers say, and Node.js does not: `useChat` comes back after no other error.
            controller.error(new TypeError("network error", { cause }));
          }
        },
        cancel: (reason) => events.return(reason),
      },
      { highWaterMark: 0 },
    );
    return new Response(body, response);
  };
}

async function* wholeEvents(body) {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const events = (rest + text).split("\n\n");
    rest = events.pop();
    for (const event of events) yield `${event}\n\n`;
  }
}
