/**
 * A `fetch` for the `DefaultChatTransport` of one chat. It comes back with the ID of the last event that
 * was read, so that the server sends only the rest.
 *
 *     new DefaultChatTransport({ fetch: continuing(), resumeStreamIsReplay: false })
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
        // One event, when it is asked for. Others in a queue would be lost with the connection, after
        // their IDs were read.
        async pull(controller) {
          const { done, value } = await events.next();
          if (done) return controller.close();
          lastEventId = /^id: (.*)$/m.exec(value)?.[1] ?? lastEventId;
          controller.enqueue(new TextEncoder().encode(value));
        },
        cancel: (reason) => events.return(reason),
      },
      { highWaterMark: 0 },
    );
    return new Response(body, response);
  };
}

async function* wholeEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) yield `${event}\n\n`;
    }
  } finally {
    await reader.cancel();
  }
}
