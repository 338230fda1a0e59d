//! A socket is taken back only when nothing of an earlier answer can be lost with it.

use bytes::Bytes;
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::edge::{Most, Offer, places::Places};

async fn pair() -> (Loan, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let place = Places::new(Most { here: 1, each: 0 }).take().unwrap();
    (Loan::new(listener.accept().await.unwrap().0, place), client)
}

fn offering() -> Response<()> {
    let offer = Offer::new(stream::iter([Ok(Bytes::from_static(b"event"))]));
    Response::builder().extension(offer).body(()).unwrap()
}

#[tokio::test]
async fn what_was_written_and_not_flushed_keeps_the_socket_where_it_is() {
    let (mut loan, mut client) = pair().await;
    let answer = offering();
    loan.write_all(b"an answer").await.unwrap();
    assert!(!loan.end_with(&answer), "its borrower may hold back the rest");
    assert!(loan.take_back().is_none());
    loan.flush().await.unwrap();
    assert!(loan.end_with(&answer), "the offer is still there");
    let mut read = [0; 9];
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"an answer");
}

#[tokio::test]
async fn once_the_socket_is_taken_back_a_handle_reaches_it_no_more() {
    let (mut loan, _client) = pair().await;
    assert!(loan.take_back().is_none(), "nobody has ended the loan");
    assert!(loan.end_with(&offering()));
    assert!(loan.take_back().is_some());
    assert_eq!(loan.write_all(b"late").await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    assert_eq!(loan.read_u8().await.unwrap_err().kind(), io::ErrorKind::NotConnected);
    assert!(loan.take_back().is_none());
}

#[tokio::test]
async fn an_answer_that_offers_nothing_ends_no_loan() {
    let (loan, _client) = pair().await;
    assert!(!loan.end_with(&Response::new(())));
    assert!(loan.take_back().is_none());
}
